"""Paths, hosts and origins."""

import ipaddress
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagi.http.query import Query
from pagi.http.url import absolute, decode_path, encode_path, encode_query, encode_segment, same_origin, valid_host, with_query


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (b"/", "/"),
        (b"/a/b", "/a/b"),
        (b"/caf%C3%A9", "/café"),
        (b"/caf\xc3\xa9", "/café"),
        (b"/invalid/%FF%FE/test", "/invalid/\u00ff\u00fe/test"),
        (b"/\xff", "/\u00ff"),
        (b"/a%2Fb", "/a/b"),
        (b"/a+b", "/a+b"),
        (b"/a/../b", "/a/../b"),
        (b"/100%", "/100%"),
        (b"/%zz", "/%zz"),
        (b"/%00", "/\0"),
        (b"*", "*"),
        (b"", ""),
    ],
)
def test_paths_are_decoded_without_refusal(raw: bytes, path: str) -> None:
    assert decode_path(raw) == path


@given(st.binary(max_size=40))
def test_any_path_can_be_decoded(raw: bytes) -> None:
    assert isinstance(decode_path(raw), str)


@given(st.text(max_size=20))
def test_a_segment_survives_and_has_no_slash(text: str) -> None:
    encoded = encode_segment(text)
    assert not set(encoded) & set("/?#% ") - {"%"}
    assert decode_path(encoded.encode("ascii")) == text


@given(st.text(max_size=20))
def test_a_path_survives_and_keeps_its_slashes(text: str) -> None:
    encoded = encode_path(text)
    assert encoded.count("/") == text.count("/")
    assert decode_path(encoded.encode("ascii")) == text


@pytest.mark.parametrize(
    ("url", "fields", "result"),
    [
        ("/a", {}, "/a"),
        ("/a", {"x": None}, "/a"),
        ("/a", {"x": []}, "/a"),
        ("/a", {"x": [1, None, 2]}, "/a?x=1&x=2"),
        ("/a", {"x": True, "y": False}, "/a?x=true&y=false"),
        ("/a", {"x": "ab"}, "/a?x=ab"),
        ("/a", {"x": 1.5, "y": uuid.UUID(int=0)}, "/a?x=1.5&y=00000000-0000-0000-0000-000000000000"),
        ("/a", [("x", "1"), ("x", ("2", "3"))], "/a?x=1&x=2&x=3"),
        ("/a?b=c", {"x": 1}, "/a?b=c&x=1"),
        ("/a?", {"x": 1}, "/a?x=1"),
        ("/a?b&", {"x": 1}, "/a?b&x=1"),
        ("/a#f?g", {"x": 1}, "/a?x=1#f?g"),
        ("/a#f", {}, "/a#f"),
        ("https://h/a", {"x&": "#?="}, "https://h/a?x%26=%23%3F%3D"),
    ],
)
def test_a_query_is_added_where_it_belongs(url: str, fields: Any, result: str) -> None:
    assert with_query(url, fields) == result


@given(st.lists(st.tuples(st.text(max_size=5), st.text(max_size=5)), max_size=5))
def test_an_added_query_is_read_back(fields: list[tuple[str, str]]) -> None:
    url = with_query("/a#b", fields)
    query = url.removesuffix("#b").partition("?")[2]
    assert "#" not in query
    assert Query.parse(query.encode()).items() == fields


@pytest.mark.parametrize(
    ("scheme", "host", "path", "url"),
    [
        ("https", "example.org", "/", "https://example.org/"),
        ("ws", "[::1]:8000", "/chat?x=1#y", "ws://[::1]:8000/chat?x=1#y"),
        ("http", "h", "//evil.example/", "http://h//evil.example/"),
    ],
)
def test_a_path_becomes_absolute(scheme: str, host: str, path: str, url: str) -> None:
    assert absolute(scheme, host, path) == url


@pytest.mark.parametrize(
    ("scheme", "host", "path"),
    [
        ("javascript", "h", "/"),
        ("", "h", "/"),
        ("https", "", "/"),
        ("https", "h@evil.example", "/"),
        ("https", "evil.example/", "/"),
        ("https", "h\r\nx", "/"),
        ("https", "h", ""),
        ("https", "h", "a"),
        ("https", "h", ".evil.example/"),
        ("https", "h", "@evil.example/"),
        ("https", "h", "/a b"),
        ("https", "h", "/a\n"),
        ("https", "h", "/é"),
    ],
)
def test_what_would_lead_elsewhere_cannot_be_made_absolute(scheme: str, host: str, path: str) -> None:
    with pytest.raises(ValueError, match=r"scheme|host|path"):
        absolute(scheme, host, path)


def test_a_query_escapes_what_would_separate() -> None:
    assert encode_query([("a&b", "c=d+e f")]) == "a%26b=c%3Dd%2Be+f"


@pytest.mark.parametrize(
    "host",
    [
        b"a",
        b"example.org",
        b"example.org:80",
        b"example.org:",
        b"example.org:65535",
        b"127.0.0.1:8000",
        b"[::1]",
        b"[::1]:8000",
        b"[2001:db8::ff00:42:8329]",
        b"[::ffff:192.0.2.1]",
        b"[v1.fe80::a]",
        b"under_score",
        b"xn--caf-dma.example",
        b"%C3%A9.example",
    ],
)
def test_hosts_that_are_valid(host: bytes) -> None:
    assert valid_host(host)


@pytest.mark.parametrize(
    "host",
    [
        b"",
        b":80",
        b"user@example.org",
        b"a b",
        b" a",
        b"a,b c",
        b"a/b",
        b"a?b",
        b"a#b",
        b"a\\b",
        b"a\n",
        b"a\r\n",
        b"a\0",
        b"\xc3\xa9",
        b"%zz",
        b"a:b",
        b"a:80:80",
        b"a:65536",
        b"a:99999",
        b"a:000080",
        b"a:-1",
        b"::1",
        b"[::1",
        b"[]",
        b"[::1]x",
        b"[::1%25eth0]",
        b"[1:2:3]",
        b"[1::2::3]",
        b"[::256.1.1.1]",
        b"[1:2:3:4:5:6:7:8:9]",
    ],
)
def test_hosts_that_are_not(host: bytes) -> None:
    assert not valid_host(host)


@given(st.ip_addresses(v=6))
def test_every_ipv6_address_is_a_host_in_every_spelling(address: ipaddress.IPv6Address) -> None:
    for text in (address.compressed, address.exploded, address.exploded.upper()):
        assert valid_host(f"[{text}]".encode())


@given(st.text(alphabet="0123456789abcdef:.", max_size=24))
def test_brackets_hold_ipv6_addresses_only(text: str) -> None:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        assert not valid_host(f"[{text}]".encode())
    else:
        assert valid_host(f"[{text}]".encode())


@pytest.mark.parametrize(
    ("origin", "scheme", "host"),
    [
        ("http://a.example", "ws", "a.example"),
        ("http://a.example", "http", "a.example:80"),
        ("https://a.example:443", "wss", "a.example"),
        ("HTTPS://A.Example", "https", "a.example"),
        ("http://a.example:8000", "ws", "a.example:8000"),
        ("http://[::1]:8000", "ws", "[::1]:8000"),
    ],
)
def test_origins_that_are_the_same(origin: str, scheme: str, host: str) -> None:
    assert same_origin(origin, scheme, host)


@pytest.mark.parametrize(
    ("origin", "scheme", "host"),
    [
        ("", "ws", "a.example"),
        ("null", "ws", "a.example"),
        ("http://b.example", "ws", "a.example"),
        ("http://a.example", "wss", "a.example"),
        ("https://a.example", "ws", "a.example"),
        ("http://a.example:81", "ws", "a.example"),
        ("http://a.example", "ws", "a.example:8000"),
        ("http://a.example.evil.example", "ws", "a.example"),
        ("http://a.example@evil.example", "ws", "a.example"),
        ("http://a.example/", "ws", "a.example"),
        ("http://a.example http://b.example", "ws", "a.example"),
        ("http://", "ws", ""),
        ("a.example", "ws", "a.example"),
        ("ftp://a.example", "ftp", "a.example"),
    ],
)
def test_origins_that_are_not(origin: str, scheme: str, host: str) -> None:
    assert not same_origin(origin, scheme, host)
