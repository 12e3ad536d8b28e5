"""The environ of a WSGI call (PEP 3333), made from an http scope."""

import sys
from functools import lru_cache
from typing import Any, BinaryIO
from urllib.parse import unquote_to_bytes

from pagi.gateway.mounting import root_of
from pagi.gateway.types import Scope
from pagi.gateway.wsgi.file_wrapper import FileWrapper
from pagi.http.url import decode_path

_PORTS = {"http": "80", "https": "443"}


def environ_of(scope: Scope, body: BinaryIO, *, multiprocess: bool = False) -> dict[str, Any]:
    """What a WSGI application is told of a request. `body` becomes `wsgi.input`, which ends where the body does.

    Text is what PEP 3333 calls native: each character is one byte. Repeated fields are joined by commas, cookies by semicolons. Fields
    with an underscore in their name are left out: an environ cannot tell `X_Real_IP` from `X-Real-IP`, which a proxy may have set.
    """
    script, path = _split(scope)
    scheme = scope.get("scheme") or "http"
    query: bytes = scope.get("query_string") or b""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": script,
        "PATH_INFO": path,
        "QUERY_STRING": query.decode("latin-1"),
        "REQUEST_URI": _target(scope, query),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scheme,
        "wsgi.input": body,
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": multiprocess,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
        "pagi.scope": scope,
    }
    _add_fields(environ, scope)
    _add_ends(environ, scope, scheme)
    return environ


def _add_fields(environ: dict[str, Any], scope: Scope) -> None:
    for name, value in scope["headers"]:
        key = _key(name)
        if key is None:
            continue
        text = value.decode("latin-1")
        if key in environ:
            text = f"{environ[key]}{'; ' if key == 'HTTP_COOKIE' else ','}{text}"
        environ[key] = text


@lru_cache(maxsize=1024)
def _key(name: bytes) -> str | None:
    """The key of a field; None for one that could be taken for another."""
    if b"_" in name:
        return None
    key = name.decode("latin-1").upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"


def _add_ends(environ: dict[str, Any], scope: Scope, scheme: str) -> None:
    """Who speaks with whom. A Unix socket has neither name nor port: those of the Host field are as good."""
    client, server = scope.get("client"), scope.get("server")
    if client is not None:
        environ["REMOTE_ADDR"] = client[0]
        environ["REMOTE_PORT"] = str(client[1])
    if server is not None and server[1] is not None:
        environ["SERVER_NAME"], environ["SERVER_PORT"] = server[0], str(server[1])
        return
    host: str = environ.get("HTTP_HOST", "")
    name, colon, port = host.rpartition(":")
    if not colon or not port.isdigit():
        name, port = host, ""
    environ["SERVER_NAME"] = name or "localhost"
    environ["SERVER_PORT"] = port or _PORTS.get(scheme, "80")


def _split(scope: Scope) -> tuple[str, str]:
    """SCRIPT_NAME and PATH_INFO: together the whole path, percent-decoded, a character for each byte."""
    root, path = _native(root_of(scope)), _native_path(scope)
    if root and path.startswith(root) and path[len(root) : len(root) + 1] in ("", "/"):
        return root, path[len(root) :]
    return root, path


def _native_path(scope: Scope) -> str:
    path: str = scope["path"]
    raw: bytes | None = scope.get("raw_path")
    # The raw path knows bytes that are no UTF-8, but whoever rewrites a path may have left it as it was.
    if raw is not None and decode_path(raw) == path:
        return unquote_to_bytes(raw).decode("latin-1")
    return _native(path)


def _native(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("latin-1")


def _target(scope: Scope, query: bytes) -> str:
    raw: bytes | None = scope.get("raw_path")
    path = raw.decode("latin-1") if raw is not None else _native(scope["path"])
    return f"{path}?{query.decode('latin-1')}" if query else path
