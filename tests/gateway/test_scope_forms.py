"""What a scope must hold: whole ones pass, and every key at fault is named."""

from typing import Any

import pytest

from pagi.gateway import whole_scope
from pagi.gateway.scope_forms import KEYS, BadScope, check_scope
from tests.gateway.foreign_server import http_scope, websocket_scope

LIFESPAN = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}


@pytest.mark.parametrize(
    ("scope", "kind"),
    [
        (http_scope(query_string=b""), "http"),
        (whole_scope(http_scope()), "http"),
        ({**whole_scope(http_scope()), "type": "sse"}, "sse"),
        (whole_scope(websocket_scope(subprotocols=["a"])), "websocket"),
        (whole_scope(http_scope(client=("::1", 5000), server=("/run/x.sock", None), raw_path=None)), "http"),
        (whole_scope(http_scope(client=["::1", 5000], server=["::1", 80], headers=[[b"a", b"B"]])), "http"),
        (LIFESPAN, "lifespan"),
        (whole_scope(http_scope(anything="else")), "http"),
    ],
)
def test_a_scope_that_has_all_it_needs_passes(scope: Any, kind: str) -> None:
    assert check_scope(scope) == kind


WRONG: list[tuple[str, Any, str]] = [
    ("asgi", {}, "scope['asgi'] of http must be a dict with a 'version', got {}"),
    ("http_version", "1", "scope['http_version'] of http must be one of '1.0', '1.1', '2', '3', got '1'"),
    ("method", "get", "scope['method'] of http must be text (str) in upper case, got 'get'"),
    ("path", b"/", "scope['path'] of http must be text (str), got b'/'"),
    ("raw_path", "/", "scope['raw_path'] of http must be bytes or None, got '/'"),
    ("query_string", "a=b", "scope['query_string'] of http must be bytes, got 'a=b'"),
    ("root_path", None, "scope['root_path'] of http must be text (str), got None"),
    ("scheme", 5, "scope['scheme'] of http must be text (str), got 5"),
    ("headers", [(b"Host", b"secret")], "names in lower case, got b'Host'"),
    ("headers", [("host", "secret")], "names in lower case, got a tuple that is no such pair"),
    ("headers", {b"host": b"x"}, "names in lower case, got {b'host': b'x'}"),
    ("client", "127.0.0.1", "scope['client'] of http must be (host, port) or None, got '127.0.0.1'"),
    ("client", ("127.0.0.1", None), "scope['client'] of http must be (host, port) or None, got ('127.0.0.1', None)"),
    ("server", ("x", 1, 2), "scope['server'] of http must be (host, port), (path, None) or None, got ('x', 1, 2)"),
    ("state", [], "scope['state'] of http must be a mapping that can be written to, got []"),
    ("extensions", [], "scope['extensions'] of http must be a dict or None, got []"),
]


@pytest.mark.parametrize(("key", "value", "message"), WRONG)
def test_a_key_of_the_wrong_kind_is_named(key: str, value: Any, message: str) -> None:
    with pytest.raises(BadScope) as caught:
        check_scope({**whole_scope(http_scope()), key: value})
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)
    assert caught.value.key == key


def test_every_key_of_http_is_tested() -> None:
    assert {key for key, _, _ in WRONG} == set(KEYS["http"])


@pytest.mark.parametrize("key", [key for key, rule in KEYS["http"].items() if rule.required])
def test_a_required_key_that_is_missing_is_named(key: str) -> None:
    scope = whole_scope(http_scope())
    del scope[key]
    with pytest.raises(BadScope, match=f"a scope of http lacks {key!r}, which must be "):
        check_scope(scope)


@pytest.mark.parametrize("scope", [None, [], "http", {}, {"type": "ftp"}, {"type": None}, {"type": []}])
def test_what_is_no_scope_at_all_is_refused(scope: Any) -> None:
    with pytest.raises(BadScope):
        check_scope(scope)


def test_subprotocols_are_text() -> None:
    with pytest.raises(BadScope, match=r"scope\['subprotocols'\] of websocket must be a list of text"):
        check_scope(whole_scope(websocket_scope(subprotocols=[b"a"])))
