"""The PROXY protocol (HAProxy, versions 1 and 2): before anything else, a proxy says whose connection it passes on. No I/O."""

import re
import struct
from functools import cache
from ipaddress import IPv4Address, IPv6Address

import msgspec

from pagi.http.errors import PeerError
from pagi.http.networks import read_address

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
MOST_LINE_BYTES = 107
"""Of version 1, its line end included (section 2.1)."""
MOST_BYTES = 4096
"""Behind the 16 bytes that version 2 begins with. It could say 65535; addresses and what proxies say besides need some hundred."""
MOST_HEADER_BYTES = 16 + MOST_BYTES

_PORT = rb"(0|[1-9][0-9]{0,4})"
_LINE = re.compile(
    rb"PROXY (?:UNKNOWN(?: [ -~]*)?|(?P<family>TCP[46]) ([0-9A-Fa-f:.]+) ([0-9A-Fa-f:.]+) " + _PORT + b" " + _PORT + b")\r\n"
)
_START = struct.Struct("!12sBBH")
_TCP4 = struct.Struct("!4s4sHH")
_TCP6 = struct.Struct("!16s16sHH")
_UNIX = struct.Struct("!108s108s")
_FAMILIES = {0x11: _TCP4, 0x21: _TCP6, 0x31: _UNIX}
_TLV = struct.Struct("!BH")
_CHECKSUM = 0x03


class Announcement(msgspec.Struct, frozen=True):
    """Whose connection it is."""

    client: tuple[str, int] | None = None
    """None where the proxy does not know, or on a Unix socket of its machine."""
    server: tuple[str, int | None] | None = None
    """What the client connected to."""
    is_local: bool = False
    """The proxy speaks for itself, as to see whether we are well: the connection's own ends are the true ones."""


class BadProxyHeader(PeerError):
    """What a connection begins with is no PROXY header. The message says why, as a sentence goes on after "its PROXY header"."""


def read_proxy_header(data: bytes) -> tuple[Announcement, int] | None:
    r"""What the header at the beginning of `data` says, and its size in bytes; None while more of it has to come.

    >>> read_proxy_header(b"PROXY TCP4 192.0.2.9 198.51.100.1 4711 443\r\nGET /")
    (Announcement(client=('192.0.2.9', 4711), server=('198.51.100.1', 443), is_local=False), 44)

    Raises:
        BadProxyHeader: it is none, or breaks a rule. It is said with the first byte that tells.
    """
    if data.startswith(SIGNATURE[: len(data)]):
        return _version_2(data)
    if data[:6] == b"PROXY "[: len(data)]:
        return _version_1(data)
    raise BadProxyHeader(f"is none: it begins with {data[:16]!r}")


def _version_1(data: bytes) -> tuple[Announcement, int] | None:
    end = data.find(b"\n", 0, MOST_LINE_BYTES) + 1
    if not end:
        if len(data) >= MOST_LINE_BYTES:
            raise BadProxyHeader(f"is a line of over {MOST_LINE_BYTES} bytes")
        return None
    line = _LINE.fullmatch(data, 0, end)
    if line is None:
        raise BadProxyHeader(f"is no line of version 1: {data[:end]!r}")
    if line["family"] is None:
        return Announcement(), end
    is_6 = line["family"] == b"TCP6"
    source, destination = _host(line[2], is_6), _host(line[3], is_6)
    ports = int(line[4]), int(line[5])
    if source is None or destination is None or max(ports) > 65535:
        raise BadProxyHeader(f"names no two addresses of its family with ports: {data[:end]!r}")
    return Announcement((source, ports[0]), (destination, ports[1])), end


def _host(text: bytes, is_6: bool) -> str | None:
    address = read_address(text.decode("ascii"))
    return str(address) if address is not None and is_6 == (b":" in text) else None


def _version_2(data: bytes) -> tuple[Announcement, int] | None:
    if len(data) < _START.size:
        return None
    _, version_command, family, size = _START.unpack_from(data)
    version, command = version_command >> 4, version_command & 0xF
    if version != 2:
        raise BadProxyHeader(f"has version {version}, and there are 1 and 2")
    if command > 1:
        raise BadProxyHeader(f"has command {command}, which is neither LOCAL nor PROXY")
    if size > MOST_BYTES:
        raise BadProxyHeader(f"announces {size} bytes, and may have {MOST_BYTES}")
    reader = _FAMILIES.get(family)
    if command and family and reader is None:
        raise BadProxyHeader(f"has family {family:#04x}, which is no stream over IPv4, IPv6 or Unix sockets")
    addresses = reader.size if reader is not None else 0
    if command and size < addresses:
        raise BadProxyHeader(f"announces {size} bytes, and its addresses take {addresses}")
    end = _START.size + size
    if len(data) < end:
        return None
    if not command:
        return Announcement(is_local=True), end
    if reader is None:
        return Announcement(), end
    _look_through(data[:end], _START.size + addresses)
    return _announced(reader, data), end


def _announced(reader: struct.Struct, data: bytes) -> Announcement:
    source, destination, *ports = reader.unpack_from(data, _START.size)
    if reader is _UNIX:
        return Announcement(None, (destination.partition(b"\0")[0].decode("utf-8", "surrogateescape"), None))
    made = IPv4Address if reader is _TCP4 else IPv6Address
    hosts = [str(read_address(str(made(packed)))) for packed in (source, destination)]
    return Announcement((hosts[0], ports[0]), (hosts[1], ports[1]))


def _look_through(header: bytes, at: int) -> None:
    """Passes over what follows the addresses, by type and length (section 2.2). Only a checksum is of interest."""
    while at < len(header):
        if at + _TLV.size > len(header):
            raise BadProxyHeader("ends in the middle of a field")
        kind, size = _TLV.unpack_from(header, at)
        at += _TLV.size
        if at + size > len(header):
            raise BadProxyHeader(f"has a field of {size} bytes where {len(header) - at} are left")
        if kind == _CHECKSUM:
            if size != 4:
                raise BadProxyHeader(f"has a checksum of {size} bytes, not of 4")
            if crc32c(header[:at] + bytes(4) + header[at + 4 :]) != int.from_bytes(header[at : at + 4]):
                raise BadProxyHeader("does not fit its checksum: bytes were changed on the way")
        at += size


def crc32c(data: bytes) -> int:
    """The checksum of RFC 3720 (appendix B.4).

    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    table = _table()
    register = 0xFFFFFFFF
    for byte in data:
        register = table[(register ^ byte) & 0xFF] ^ (register >> 8)
    return register ^ 0xFFFFFFFF


@cache
def _table() -> list[int]:
    table: list[int] = []
    for entry in range(256):
        for _ in range(8):
            entry = (entry >> 1) ^ (0x82F63B78 if entry & 1 else 0)
        table.append(entry)
    return table
