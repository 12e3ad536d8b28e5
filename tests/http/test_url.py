"""Paths, hosts and origins."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagi.http.url import decode_path, encode_path, encode_query, encode_segment, same_origin, valid_host


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
