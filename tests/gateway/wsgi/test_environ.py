"""The environ of a WSGI call: what PEP 3333 and CGI ask for, from scopes of our own server and of others."""

from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagi.gateway.types import Scope
from pagi.gateway.wsgi.environ import environ_of
from pagi.http.url import decode_path


def scope(**changes: Any) -> Scope:
    """A scope as the server makes it; None takes a key away."""
    whole: dict[str, Any] = {
        "type": "http",
        "pagi": {"version": "0.3"},
        "method": "GET",
        "http_version": "1.1",
        "scheme": "http",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"example.org:8080")],
        "client": ("192.0.2.7", 5000),
        "server": ("127.0.0.1", 8000),
    } | changes
    return {key: value for key, value in whole.items() if value is not None}


def environ(**changes: Any) -> dict[str, Any]:
    return environ_of(scope(**changes), BytesIO())


def test_a_plain_request_has_all_that_is_asked_for() -> None:
    body = BytesIO()
    told = environ_of(scope(), body)
    assert told["wsgi.input"] is body
    assert {key: value for key, value in told.items() if not key.startswith(("wsgi.input", "wsgi.errors", "wsgi.file", "pagi"))} == {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/",
        "QUERY_STRING": "",
        "REQUEST_URI": "/",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "REMOTE_ADDR": "192.0.2.7",
        "REMOTE_PORT": "5000",
        "HTTP_HOST": "example.org:8080",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }


def test_the_scope_is_there_for_whoever_knows_it() -> None:
    given = scope()
    assert environ_of(given, BytesIO())["pagi.scope"] is given


# ---- the path


@pytest.mark.parametrize(
    ("root", "raw", "script", "path"),
    [
        ("", b"/", "", "/"),
        ("", b"/a/b", "", "/a/b"),
        ("/api", b"/api/users", "/api", "/users"),
        ("/api/", b"/api/users", "/api", "/users"),
        ("/api", b"/api", "/api", ""),
        ("/api", b"/api/", "/api", "/"),
        ("/api", b"/apis", "/api", "/apis"),
        ("/api", b"/users", "/api", "/users"),
        ("", b"/caf%C3%A9", "", "/caf\xc3\xa9"),
        ("/caf\u00e9", b"/caf%C3%A9/x", "/caf\xc3\xa9", "/x"),
        ("", b"/%FF", "", "/\xff"),
        ("", b"/a%2Fb", "", "/a/b"),
        ("", b"*", "", "*"),
    ],
)
def test_the_path_is_split_at_the_mount_one_character_a_byte(root: str, raw: bytes, script: str, path: str) -> None:
    told = environ(root_path=root, raw_path=raw, path=decode_path(raw))
    assert (told["SCRIPT_NAME"], told["PATH_INFO"]) == (script, path)


def test_a_path_that_was_rewritten_counts_more_than_the_raw_one() -> None:
    assert environ(path="/nev\u00e9", raw_path=b"/old")["PATH_INFO"] == "/nev\xc3\xa9"


def test_a_server_without_a_raw_path_will_do() -> None:
    told = environ(path="/caf\u00e9", raw_path=None, query_string=b"a=1")
    assert (told["PATH_INFO"], told["REQUEST_URI"]) == ("/caf\xc3\xa9", "/caf\xc3\xa9?a=1")


def test_the_target_is_told_as_it_was_sent() -> None:
    told = environ(path="/caf\u00e9", raw_path=b"/caf%C3%A9", query_string=b"a=%20b")
    assert (told["REQUEST_URI"], told["QUERY_STRING"]) == ("/caf%C3%A9?a=%20b", "a=%20b")


@given(st.binary(max_size=30))
def test_every_path_can_be_had_back_as_bytes(raw: bytes) -> None:
    quoted = b"/" + b"".join(b"%%%02X" % byte for byte in raw)
    assert environ(path=decode_path(quoted), raw_path=quoted)["PATH_INFO"].encode("latin-1") == b"/" + raw


# ---- fields


@pytest.mark.parametrize(
    ("headers", "key", "value"),
    [
        ([(b"content-type", b"text/plain")], "CONTENT_TYPE", "text/plain"),
        ([(b"content-length", b"5")], "CONTENT_LENGTH", "5"),
        ([(b"x-real-ip", b"1")], "HTTP_X_REAL_IP", "1"),
        ([(b"accept", b"a"), (b"accept", b"b")], "HTTP_ACCEPT", "a,b"),
        ([(b"cookie", b"a=1"), (b"cookie", b"b=2")], "HTTP_COOKIE", "a=1; b=2"),
        ([(b"x-a", b"\xe9")], "HTTP_X_A", "\xe9"),
    ],
)
def test_a_field_is_told_by_its_name_in_capitals(headers: list[tuple[bytes, bytes]], key: str, value: str) -> None:
    assert environ(headers=headers)[key] == value


def test_content_fields_have_no_second_name() -> None:
    told = environ(headers=[(b"content-type", b"a"), (b"content-length", b"0")])
    assert "HTTP_CONTENT_TYPE" not in told
    assert "HTTP_CONTENT_LENGTH" not in told


def test_what_was_not_sent_is_absent() -> None:
    told = environ(headers=[])
    assert [key for key in told if key.startswith(("HTTP_", "CONTENT_"))] == []


@pytest.mark.parametrize("name", [b"x_real_ip", b"content_length", b"x-real_ip"])
def test_a_field_with_an_underscore_cannot_pose_as_another(name: bytes) -> None:
    told = environ(headers=[(b"x-real-ip", b"true"), (name, b"false")])
    assert "false" not in told.values()


# ---- the two ends


def test_a_unix_socket_has_the_name_and_port_of_the_host_field() -> None:
    told = environ(server=("/run/app.sock", None), client=None)
    assert (told["SERVER_NAME"], told["SERVER_PORT"]) == ("example.org", "8080")
    assert "REMOTE_ADDR" not in told


@pytest.mark.parametrize(
    ("host", "scheme", "name", "port"),
    [
        (b"example.org", "http", "example.org", "80"),
        (b"example.org", "https", "example.org", "443"),
        (b"[::1]:81", "http", "[::1]", "81"),
        (b"[::1]", "http", "[::1]", "80"),
        (None, "http", "localhost", "80"),
    ],
)
def test_a_server_that_says_nothing_of_itself_is_known_by_the_host_field(host: bytes | None, scheme: str, name: str, port: str) -> None:
    told = environ(server=None, scheme=scheme, headers=[(b"host", host)] if host else [])
    assert (told["SERVER_NAME"], told["SERVER_PORT"]) == (name, port)


@pytest.mark.parametrize(("version", "protocol"), [("1.0", "HTTP/1.0"), ("1.1", "HTTP/1.1"), ("2", "HTTP/2")])
def test_the_protocol_is_that_of_the_request(version: str, protocol: str) -> None:
    assert environ(http_version=version)["SERVER_PROTOCOL"] == protocol


def test_a_worker_among_others_says_so() -> None:
    assert environ_of(scope(), BytesIO(), multiprocess=True)["wsgi.multiprocess"] is True
