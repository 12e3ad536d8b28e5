"""The PROXY protocol: tables of both versions, every split, and what a stranger may send in its place."""

import re
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagi.server.wire.proxy_protocol import (
    MOST_BYTES,
    MOST_HEADER_BYTES,
    MOST_LINE_BYTES,
    SIGNATURE,
    Announcement,
    BadProxyHeader,
    crc32c,
    read_proxy_header,
)

TCP4 = bytes([192, 0, 2, 9, 198, 51, 100, 1]) + struct.pack("!HH", 4711, 443)
TCP6 = bytes.fromhex("20010db8" + "00" * 11 + "07" + "20010db8" + "00" * 11 + "01") + struct.pack("!HH", 4711, 443)
UNIX = b"/run/client.sock".ljust(108, b"\0") + b"/run/app.sock".ljust(108, b"\0")
NAMED = Announcement(("192.0.2.9", 4711), ("198.51.100.1", 443))


def v2(body: bytes, family: int = 0x11, command: int = 0x21, size: int | None = None) -> bytes:
    return SIGNATURE + struct.pack("!BBH", command, family, len(body) if size is None else size) + body


def tlv(kind: int, value: bytes, size: int | None = None) -> bytes:
    return struct.pack("!BH", kind, len(value) if size is None else size) + value


def with_checksum(body: bytes) -> bytes:
    """A header with a right checksum (section 2.2.3)."""
    zeroed = v2(body + tlv(3, bytes(4)))
    return zeroed[:-4] + struct.pack("!I", crc32c(zeroed))


LONGEST_6 = ":".join(["ffff"] * 8).encode()
READ = [
    (b"PROXY TCP4 192.0.2.9 198.51.100.1 4711 443\r\n", NAMED),
    (b"PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n", Announcement(("0.0.0.0", 0), ("255.255.255.255", 65535))),
    (b"PROXY TCP6 2001:DB8::7 2001:db8::1 4711 443\r\n", Announcement(("2001:db8::7", 4711), ("2001:db8::1", 443))),
    (b"PROXY TCP6 ::ffff:192.0.2.9 ::1 1 2\r\n", Announcement(("192.0.2.9", 1), ("::1", 2))),
    (b"PROXY TCP6 %b %b 65535 65535\r\n" % (LONGEST_6, LONGEST_6), Announcement((LONGEST_6.decode(), 65535), (LONGEST_6.decode(), 65535))),
    (b"PROXY UNKNOWN\r\n", Announcement()),
    (b"PROXY UNKNOWN %b %b 65535 65535\r\n" % (LONGEST_6, LONGEST_6), Announcement()),
    (b"PROXY UNKNOWN whatever it likes to say\r\n", Announcement()),
    (v2(TCP4), NAMED),
    (v2(TCP6, 0x21), Announcement(("2001:db8::7", 4711), ("2001:db8::1", 443))),
    (v2(bytes(10) + b"\xff\xff\xc0\x00\x02\x09" + TCP6[16:], 0x21), Announcement(("192.0.2.9", 4711), ("2001:db8::1", 443))),
    (v2(UNIX, 0x31), Announcement(None, ("/run/app.sock", None))),
    (v2(b"\xff" * 216, 0x31), Announcement(None, ("\udcff" * 108, None))),
    (v2(b"", 0x00), Announcement()),
    (v2(b"anything", 0x00), Announcement()),
    (v2(b"", 0x00, 0x20), Announcement(is_local=True)),
    (v2(b"anything at all", 0xFF, 0x20), Announcement(is_local=True)),
    (v2(TCP4 + tlv(4, b"") + tlv(2, b"example.org") + tlv(0xEA, bytes(300))), NAMED),
    (v2(TCP4 + tlv(4, bytes(MOST_BYTES - 15))), NAMED),
    (with_checksum(TCP4 + tlv(2, b"example.org")), NAMED),
]


@pytest.mark.parametrize(("header", "said"), READ, ids=lambda value: repr(value)[:50])
def test_a_header_is_read_whole_and_no_further(header: bytes, said: Announcement) -> None:
    assert read_proxy_header(header) == (said, len(header))
    assert read_proxy_header(header + b"\x16\x03\x01 and what is TLS") == (said, len(header))


@pytest.mark.parametrize(("header", "said"), READ, ids=lambda value: repr(value)[:50])
def test_of_a_header_that_is_not_whole_nothing_is_said(header: bytes, said: Announcement) -> None:
    for size in range(len(header)):
        assert read_proxy_header(header[:size]) is None


def test_the_longest_line_there_can_be_is_read() -> None:
    header = b"PROXY UNKNOWN %b %b 65535 65535\r\n" % (LONGEST_6, LONGEST_6)
    assert len(header) == MOST_LINE_BYTES


REFUSED = [
    (b"G", "is none: it begins with b'G'"),
    (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "is none: it begins with b'GET / HTTP/1.1\\r\\n'"),
    (b"\x16\x03\x01", "is none"),
    (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "is none"),
    (b"PROXX", "is none"),
    (b"proxy TCP4", "is none"),
    (b"\r\n\r\n\x00\r\nQUIX", "is none"),
    (b"\r\nPROXY", "is none"),
    (b"PROXY " + b"x" * (MOST_LINE_BYTES - 6), f"is a line of over {MOST_LINE_BYTES} bytes"),
    (b"PROXY UNKNOWN " + b"x" * (MOST_LINE_BYTES - 15) + b"\r\n", f"is a line of over {MOST_LINE_BYTES} bytes"),
    (b"PROXY\r\n", "is none"),
    (b"PROXY \r\n", "is no line of version 1"),
    (b"PROXY UNKNOWN\n", "is no line of version 1"),
    (b"PROXY UNKNOWNS\r\n", "is no line of version 1"),
    (b"PROXY UNKNOWN \0\r\n", "is no line of version 1"),
    (b"PROXY UNKNOWN\r\r\n", "is no line of version 1"),
    (b"PROXY TCP4\r\n", "is no line of version 1"),
    (b"PROXY TCP5 1.1.1.1 2.2.2.2 1 2\r\n", "is no line of version 1"),
    (b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2", None),
    (b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\n", "is no line of version 1"),
    (b"PROXY TCP4  1.1.1.1 2.2.2.2 1 2\r\n", "is no line of version 1"),
    (b"PROXY TCP4 1.1.1.1 2.2.2.2 1\r\n", "is no line of version 1"),
    (b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2 \r\n", "is no line of version 1"),
    (b"PROXY TCP4 1.1.1.1 2.2.2.2 01 2\r\n", "is no line of version 1"),
    (b"PROXY TCP4 1.1.1.1 2.2.2.2 +1 2\r\n", "is no line of version 1"),
    (b"PROXY TCP4 1.1.1.1 2.2.2.2 1 65536\r\n", "names no two addresses of its family with ports"),
    (b"PROXY TCP4 1.1.1.1 2.2.2 1 2\r\n", "names no two addresses"),
    (b"PROXY TCP4 01.1.1.1 2.2.2.2 1 2\r\n", "names no two addresses"),
    (b"PROXY TCP4 1.1.1.256 2.2.2.2 1 2\r\n", "names no two addresses"),
    (b"PROXY TCP4 ::1 ::2 1 2\r\n", "names no two addresses"),
    (b"PROXY TCP6 1.1.1.1 2.2.2.2 1 2\r\n", "names no two addresses"),
    (b"PROXY TCP6 fe80::1%eth0 ::2 1 2\r\n", "is no line of version 1"),
    (b"PROXY TCP6 [::1] ::2 1 2\r\n", "is no line of version 1"),
    (v2(TCP4, command=0x11), "has version 1, and there are 1 and 2"),
    (v2(TCP4, command=0x31), "has version 3"),
    (v2(TCP4, command=0x22), "has command 2, which is neither LOCAL nor PROXY"),
    (v2(b"", size=65535)[:16], f"announces 65535 bytes, and may have {MOST_BYTES}"),
    (v2(b"", size=65535, command=0x20)[:16], "announces 65535 bytes"),
    (v2(TCP4, family=0x12), "has family 0x12, which is no stream"),
    (v2(TCP4, family=0x10), "has family 0x10"),
    (v2(TCP4, family=0x41), "has family 0x41"),
    (v2(TCP4[:-1]), "announces 11 bytes, and its addresses take 12"),
    (v2(TCP4, family=0x21), "announces 12 bytes, and its addresses take 36"),
    (v2(UNIX[:-1], family=0x31), "announces 215 bytes, and its addresses take 216"),
    (v2(TCP4 + b"\x02"), "ends in the middle of a field"),
    (v2(TCP4 + tlv(2, b"abc", size=4)), "has a field of 4 bytes where 3 are left"),
    (v2(TCP4 + tlv(2, b"", size=65535)), "has a field of 65535 bytes where 0 are left"),
    (v2(TCP4 + tlv(3, b"abc")), "has a checksum of 3 bytes, not of 4"),
    (v2(TCP4 + tlv(3, bytes(4))), "does not fit its checksum"),
    (with_checksum(TCP4).replace(bytes([192, 0, 2, 9]), bytes([6, 6, 6, 6])), "does not fit its checksum"),
]


@pytest.mark.parametrize(("data", "problem"), REFUSED, ids=lambda value: repr(value)[:50])
def test_what_breaks_a_rule_is_refused_with_the_rule(data: bytes, problem: str | None) -> None:
    if problem is None:
        assert read_proxy_header(data) is None
        return
    with pytest.raises(BadProxyHeader, match=re.escape(problem)):
        read_proxy_header(data)


@pytest.mark.parametrize("data", [data for data, problem in REFUSED if problem], ids=lambda value: repr(value)[:50])
def test_what_was_refused_is_refused_whatever_follows(data: bytes) -> None:
    with pytest.raises(BadProxyHeader):
        read_proxy_header(data + b"\r\n" + bytes(MOST_HEADER_BYTES))


STARTS = st.sampled_from(
    [b"", b"PROXY ", b"PROXY TCP4 ", b"PROXY TCP6 1::2 ", SIGNATURE, SIGNATURE + b"\x21\x11", SIGNATURE + b"\x21\x11\x00\x20"]
)


def outcome(data: bytes) -> tuple[Announcement, int] | str | None:
    """What became of these bytes: a refusal is its message."""
    try:
        return read_proxy_header(data)
    except BadProxyHeader as error:
        return str(error)


@given(STARTS, st.binary(max_size=300))
def test_any_bytes_are_read_or_refused_and_never_awaited_without_end(start: bytes, rest: bytes) -> None:
    found = outcome(start + rest + b"\r\n" + bytes(MOST_HEADER_BYTES))
    if isinstance(found, str):
        assert found.isascii()
        assert "\n" not in found
    else:
        assert found is not None
        assert found[1] <= MOST_HEADER_BYTES


@given(STARTS, st.binary(max_size=300))
def test_more_bytes_never_change_what_was_read_or_refused(start: bytes, rest: bytes) -> None:
    data = start + rest
    settled: object = None
    for size in range(len(data) + 1):
        found = outcome(data[:size])
        now = "refused" if isinstance(found, str) else found
        if settled is not None:
            assert now == settled
        settled = now


def test_the_checksum_is_the_one_of_the_standard() -> None:
    """The examples of RFC 3720 appendix B.4."""
    assert crc32c(bytes(32)) == 0x8A9136AA
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E
