"""The addresses that `bind` may name, as text and as values. It resolves and opens nothing."""

import re
from collections.abc import Iterable
from typing import TypeAlias

import msgspec

from pagi.http.errors import ConfigError

FORMS = "HOST:PORT, [IPV6]:PORT, :PORT, unix:PATH, /PATH, fd://3, fd://NAME or systemd"

_BRACKETED = re.compile(r"\[(?P<host>[^\[\]]*)\](?::(?P<port>.*))?", re.DOTALL)


class TCPBind(msgspec.Struct, frozen=True):
    """A port of a host, or of every address of this machine."""

    host: str | None
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in (self.host or "") else f"{self.host or ''}:{self.port}"


class UnixBind(msgspec.Struct, frozen=True):
    """The path of a Unix socket."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


class FDBind(msgspec.Struct, frozen=True):
    """A descriptor that this process was started with: its number, or the name that systemd gave it."""

    fd: int | str

    def __str__(self) -> str:
        return f"fd://{self.fd}"


class SystemdBind(msgspec.Struct, frozen=True):
    """Every socket that systemd passed."""

    def __str__(self) -> str:
        return "systemd"


Bind: TypeAlias = TCPBind | UnixBind | FDBind | SystemdBind


class BadBind(ConfigError):
    """What `bind` says is no address. The message says why, and how addresses are written."""

    def __init__(self, text: str, problem: str) -> None:
        super().__init__(f"cannot bind {text!r}: {problem}; an address is {FORMS}")


def parse_bind(text: str) -> Bind:
    """The address that a text stands for. What begins with `/` or `.` is a path, whatever else is in it.

    >>> parse_bind("[::1]:8000"), parse_bind(":80"), parse_bind("./app.sock")
    (TCPBind(host='::1', port=8000), TCPBind(host=None, port=80), UnixBind(path='./app.sock'))

    Raises:
        BadBind: it stands for none.
    """
    if text.startswith(("/", ".")):
        return UnixBind(_path(text, text))
    if text.startswith("unix:"):
        return UnixBind(_path(text, text.removeprefix("unix:")))
    if text.startswith("fd://"):
        return FDBind(_descriptor(text, text.removeprefix("fd://")))
    if text == "systemd":
        return SystemdBind()
    return _tcp(text)


def parse_binds(texts: Iterable[str]) -> list[Bind]:
    """Every address once, in order.

    Raises:
        BadBind: one is no address, or is named twice.
    """
    found: list[Bind] = []
    for text in texts:
        bind = parse_bind(text)
        if bind in found and not (isinstance(bind, TCPBind) and bind.port == 0):
            raise BadBind(text, "it is named twice")
        found.append(bind)
    return found


def _path(text: str, path: str) -> str:
    if not path:
        raise BadBind(text, "the path is missing")
    if "\0" in path:
        raise BadBind(text, "a path holds no NUL")
    return path


def _descriptor(text: str, named: str) -> int | str:
    if not named:
        raise BadBind(text, "the number or the name of a descriptor is missing")
    return int(named) if named.isascii() and named.isdigit() and len(named) < 10 else named


def _tcp(text: str) -> TCPBind:
    if text.startswith("["):
        bracketed = _BRACKETED.fullmatch(text)
        if bracketed is None or not bracketed["host"]:
            raise BadBind(text, "the brackets hold no IPv6 address")
        return TCPBind(bracketed["host"], _port(text, bracketed["port"] or ""))
    host, colon, port = text.rpartition(":")
    if ":" in host:
        raise BadBind(text, "an IPv6 address stands in brackets")
    if not colon:
        raise BadBind(text, f"the port is missing, as in {':' + text if text.isdigit() else text + ':8000'!r}")
    return TCPBind(host or None, _port(text, port))


def _port(text: str, port: str) -> int:
    if not port:
        raise BadBind(text, "the port is missing")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and int(port) <= 65535):
        raise BadBind(text, f"{port!r} is not a port from 0 to 65535")
    return int(port)
