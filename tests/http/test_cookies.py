"""Cookies: what browsers send, and what may be set."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagi.http.cookies import InvalidCookie, cookie_pairs, delete_cookie, parse_cookies, set_cookie


@pytest.mark.parametrize(
    ("header", "cookies"),
    [
        ("", {}),
        ("a=1", {"a": "1"}),
        ("a=1; b=2", {"a": "1", "b": "2"}),
        ("a=1;b=2;", {"a": "1", "b": "2"}),
        ("a=first; a=second", {"a": "first"}),
        ("a=", {"a": ""}),
        ("a=b=c", {"a": "b=c"}),
        ('a="quoted"', {"a": "quoted"}),
        ('a="', {"a": '"'}),
        ('a="half', {"a": '"half'}),
        ("junk; a=1", {"a": "1"}),
        ("=nameless; a=1", {"a": "1"}),
        (" a = 1 ", {"a": "1"}),
        ("a=%20", {"a": "%20"}),
        ("a[b]=1", {"a[b]": "1"}),
        (";;;", {}),
    ],
)
def test_a_cookie_field_is_read_as_browsers_send_it(header: str, cookies: dict[str, str]) -> None:
    assert parse_cookies(header) == cookies


def test_equal_names_can_be_told_apart() -> None:
    assert list(cookie_pairs('a=1; junk; b=2; a="3"; =x')) == [("a", "1"), ("b", "2"), ("a", "3")]


def test_a_no_break_space_does_not_make_a_protected_name() -> None:
    assert "__Host-id" not in parse_cookies("\xa0__Host-id=forged")


def test_a_plain_cookie_is_lax_and_out_of_reach_of_scripts() -> None:
    assert set_cookie("a", "1") == b"a=1; Path=/; HttpOnly; SameSite=Lax"


def test_every_attribute_is_written() -> None:
    assert set_cookie(
        "a",
        "1",
        max_age=60,
        expires=datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC),
        path="/x",
        domain="example.org",
        secure=True,
        httponly=True,
        samesite="none",
        partitioned=True,
    ) == (
        b"a=1; Path=/x; Domain=example.org; Max-Age=60; Expires=Sun, 06 Nov 1994 08:49:37 GMT; Secure; HttpOnly; SameSite=None; Partitioned"
    )


def test_attributes_can_all_be_left_out() -> None:
    assert set_cookie("a", "1", path=None, httponly=False, samesite=None) == b"a=1"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": ""}, "not a token"),
        ({"name": "a b"}, "not a token"),
        ({"name": "a="}, "not a token"),
        ({"name": "a\r\nset-cookie: b"}, "not a token"),
        ({"value": "a b"}, "encode it first"),
        ({"value": "a;b"}, "encode it first"),
        ({"value": "a,b"}, "encode it first"),
        ({"value": 'a"b'}, "encode it first"),
        ({"value": "a\\b"}, "encode it first"),
        ({"value": "a\r\n"}, "encode it first"),
        ({"value": "a\n"}, "encode it first"),
        ({"value": "é"}, "encode it first"),
        ({"value": "x" * 4096}, "4097 bytes"),
        ({"path": "x"}, "must start with /"),
        ({"path": ""}, "must start with /"),
        ({"path": "/; Domain=evil.example"}, "must start with /"),
        ({"path": "/\r\n"}, "must start with /"),
        ({"path": "/\x7f"}, "must start with /"),
        ({"domain": "a;b"}, "not a host name"),
        ({"domain": ""}, "not a host name"),
        ({"domain": "-a.example"}, "not a host name"),
        ({"domain": "a..b"}, "not a host name"),
        ({"domain": "a.example\n"}, "not a host name"),
        ({"expires": datetime(2030, 1, 1)}, "timezone"),
        ({"samesite": "Lax"}, "none of lax"),
        ({"samesite": "none"}, "needs secure=True"),
        ({"partitioned": True}, "needs secure=True"),
        ({"name": "__Secure-a"}, "__Secure-"),
        ({"name": "__secure-a"}, "__Secure-"),
        ({"name": "__Host-a"}, "__Host-"),
        ({"name": "__hOST-a", "secure": True, "path": "/x"}, "__Host-"),
        ({"name": "__Host-a", "secure": True, "path": None}, "__Host-"),
        ({"name": "__Host-a", "secure": True, "domain": "a.example"}, "__Host-"),
    ],
)
def test_what_browsers_would_refuse_is_refused(changes: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"name": "a", "value": "1", **changes}
    with pytest.raises(InvalidCookie, match=message):
        set_cookie(**arguments)


def test_protected_names_are_fine_where_their_rules_are_kept() -> None:
    assert set_cookie("__Host-a", "1", secure=True).startswith(b"__Host-a=1; Path=/; Secure")
    assert set_cookie("__Secure-a", "1", secure=True, path="/x", domain="a.example").startswith(b"__Secure-a=1")


def test_max_age_that_is_not_whole_is_refused() -> None:
    with pytest.raises(ValueError, match="format code"):
        set_cookie("a", "1", max_age=1.5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_deleting_repeats_the_attributes() -> None:
    assert delete_cookie("__Host-a", secure=True) == (
        b"__Host-a=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Secure; HttpOnly; SameSite=Lax"
    )


@given(st.text(max_size=12), st.text(max_size=20), st.text(max_size=10).map("/".__add__))
def test_whatever_is_set_comes_back_and_nothing_is_injected(name: str, value: str, path: str) -> None:
    try:
        field = set_cookie(name, value, path=path, httponly=False, samesite=None)
    except InvalidCookie:
        return
    assert field.count(b";") == 1
    assert parse_cookies(field.decode().partition(";")[0]) == {name: value}
    assert not set(field) & {*range(32), 127}


@given(st.text(alphabet=st.characters(max_codepoint=255), max_size=60))
def test_any_cookie_field_can_be_read(header: str) -> None:
    assert "" not in parse_cookies(header)
