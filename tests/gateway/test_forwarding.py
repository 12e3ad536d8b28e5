"""What proxies say, put into scopes: what becomes of each key, and what is left of the fields."""

from typing import Any, Literal

import pytest

from pagi.gateway.forwarding import Forwarding
from pagi.gateway.types import HeaderList
from pagi.http.networks import Networks

PROXY = ("10.0.0.1", 4000)


def forwarding(family: Literal["x", "rfc7239"] = "x", *fields: str) -> Forwarding:
    return Forwarding(family, fields or ("for", "proto"), Networks(["10.0.0.0/8"]))


def scope(*headers: tuple[bytes, bytes], kind: str = "http") -> dict[str, Any]:
    return {
        "type": kind,
        "scheme": "ws" if kind == "websocket" else "http",
        "client": PROXY,
        "root_path": "",
        "path": "/a b",
        "raw_path": b"/a%20b",
        "headers": [(b"host", b"inner:8000"), *headers, (b"accept", b"*/*")],
    }


def believed(family: Literal["x", "rfc7239"], fields: tuple[str, ...], *headers: tuple[bytes, bytes], kind: str = "http") -> dict[str, Any]:
    rewritten = scope(*headers, kind=kind)
    forwarding(family, *fields).believe(rewritten)
    return rewritten


def left(rewritten: dict[str, Any]) -> HeaderList:
    """The fields, but for those that have nothing to do with proxies."""
    return [pair for pair in rewritten["headers"] if pair[0] not in (b"host", b"accept")]


def test_client_and_scheme_become_those_of_the_client() -> None:
    rewritten = believed("x", (), (b"x-forwarded-for", b"6.6.6.6, 192.0.2.9"), (b"x-forwarded-proto", b"https"))
    assert (rewritten["client"], rewritten["scheme"]) == (("192.0.2.9", 0), "https")
    assert rewritten["pagi.peer"] == PROXY


def test_what_is_left_of_the_fields_is_what_was_believed() -> None:
    rewritten = believed(
        "x", (), (b"x-forwarded-for", b"6.6.6.6"), (b"x-forwarded-for", b"192.0.2.9,10.0.0.2"), (b"x-forwarded-proto", b"http, https")
    )
    assert left(rewritten) == [(b"x-forwarded-for", b"192.0.2.9, 10.0.0.2"), (b"x-forwarded-proto", b"https")]


def test_the_other_family_is_taken_out() -> None:
    headers = ((b"forwarded", b"for=6.6.6.6;proto=https"), (b"x-forwarded-for", b"192.0.2.9"))
    assert left(believed("x", (), *headers)) == [(b"x-forwarded-for", b"192.0.2.9")]
    assert left(believed("rfc7239", (), *headers)) == [(b"forwarded", b"for=6.6.6.6;proto=https")]


@pytest.mark.parametrize(
    "name",
    [b"x-forwarded-host", b"x-forwarded-prefix", b"x-forwarded-port", b"x-forwarded-ssl", b"x-forwarded-scheme", b"x-forwarded-protocol",
     b"x-forwarded-server", b"x-real-ip", b"x-real_ip", b"x_forwarded_for", b"x-forwarded_for", b"forwarded-for", b"x-forwarded"],
)  # fmt: skip
def test_what_a_client_may_have_sent_through_the_proxy_is_taken_out(name: bytes) -> None:
    rewritten = believed("x", (), (name, b"6.6.6.6"), (b"x-forwarded-for", b"192.0.2.9"))
    assert left(rewritten) == [(b"x-forwarded-for", b"192.0.2.9")]
    assert rewritten["client"] == ("192.0.2.9", 0)


def test_what_a_trusted_proxy_says_of_other_things_stays() -> None:
    headers = (
        (b"x-forwarded-user", b"ada"),
        (b"x-forwarded-client-cert", b"Hash=1"),
        (b"x-request-id", b"7"),
        (b"from", b"a@b"),
        (b"forty", b"2"),
    )
    assert left(believed("x", (), *headers)) == [*headers[2:], *headers[:2]]


def test_without_forwarding_fields_a_scope_is_as_it_was() -> None:
    untouched = scope((b"x-request-id", b"7"))
    before = {**untouched}
    forwarding().believe(untouched)
    assert untouched == before
    assert untouched["headers"] is before["headers"]


@pytest.mark.parametrize("value", [b"unknown", b"6.6.6.6, _hidden", b"6.6.6.6, garbage", b"127.0.0.1:99999"])
def test_a_client_that_nobody_knows_is_not_the_proxy(value: bytes) -> None:
    rewritten = believed("x", (), (b"x-forwarded-for", value))
    assert "client" not in rewritten
    assert rewritten["pagi.peer"] == PROXY


def test_a_proxy_on_a_unix_socket_may_name_the_client() -> None:
    rewritten = scope((b"x-forwarded-for", b"192.0.2.9"))
    del rewritten["client"]
    forwarding().believe(rewritten)
    assert (rewritten["client"], rewritten["pagi.peer"]) == (("192.0.2.9", 0), None)


@pytest.mark.parametrize(("said", "scheme"), [(b"https", "wss"), (b"wss", "wss"), (b"http", "ws"), (b"ws", "ws")])
def test_a_websocket_has_the_scheme_of_websockets(said: bytes, scheme: str) -> None:
    assert believed("x", (), (b"x-forwarded-proto", said), kind="websocket")["scheme"] == scheme


def test_a_host_is_believed_only_if_it_is_named() -> None:
    headers = ((b"x-forwarded-host", b"example.org"), (b"x-forwarded-for", b"192.0.2.9"))
    assert dict(believed("x", ("for", "proto"), *headers)["headers"])[b"host"] == b"inner:8000"
    rewritten = believed("x", ("for", "host"), *headers)
    assert [value for name, value in rewritten["headers"] if name == b"host"] == [b"example.org"]
    element = (b"forwarded", b"for=192.0.2.9;host=example.org")
    assert dict(believed("rfc7239", (), element)["headers"])[b"host"] == b"inner:8000"
    assert dict(believed("rfc7239", ("host",), element)["headers"])[b"host"] == b"example.org"


def test_a_host_is_added_where_there_is_none() -> None:
    rewritten = scope((b"x-forwarded-host", b"example.org"))
    rewritten["headers"] = [pair for pair in rewritten["headers"] if pair[0] != b"host"]
    forwarding("x", "host").believe(rewritten)
    assert (b"host", b"example.org") in rewritten["headers"]


def test_a_field_that_is_not_named_says_nothing() -> None:
    rewritten = believed("x", ("for",), (b"x-forwarded-proto", b"https"))
    assert (rewritten["scheme"], left(rewritten)) == ("http", [])
    rewritten = believed("rfc7239", ("proto",), (b"forwarded", b"for=192.0.2.9;proto=https"))
    assert (rewritten["client"], rewritten["scheme"]) == (PROXY, "https")


def test_a_prefix_goes_before_the_path() -> None:
    rewritten = believed("x", ("prefix",), (b"x-forwarded-prefix", b"/app"))
    assert (rewritten["root_path"], rewritten["path"], rewritten["raw_path"]) == ("/app", "/app/a b", b"/app/a%20b")


def test_a_list_that_belongs_to_the_request_is_not_changed() -> None:
    rewritten = scope((b"x-forwarded-for", b"192.0.2.9"))
    headers = rewritten["headers"]
    before = [*headers]
    forwarding().believe(rewritten)
    assert headers == before


# ---- strangers


def test_of_a_stranger_nothing_stays_that_speaks_of_others() -> None:
    doubted = scope(
        (b"x-forwarded-for", b"127.0.0.1"), (b"x-forwarded-user", b"root"), (b"forwarded", b"for=127.0.0.1"), (b"x-real-ip", b"127.0.0.1"),
        (b"x_forwarded_for", b"127.0.0.1"), (b"x-request-id", b"7"), (b"x-realm", b"8"),
    )  # fmt: skip
    forwarding().doubt(doubted)
    assert left(doubted) == [(b"x-request-id", b"7"), (b"x-realm", b"8")]
    assert (doubted["client"], doubted["scheme"], doubted["pagi.peer"]) == (PROXY, "http", PROXY)


def test_a_stranger_who_says_nothing_is_not_marked() -> None:
    doubted = scope()
    before = {**doubted}
    forwarding().doubt(doubted)
    assert doubted == before
