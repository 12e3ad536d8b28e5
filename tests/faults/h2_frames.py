"""HTTP/2 frames as a hostile client writes them (RFC 9113 sections 4 and 6). Knows nothing of the server's own code."""

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from hpack import Encoder

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM = ACK = 0x1
END_HEADERS = 0x4
CANCEL, ENHANCE_YOUR_CALM = 0x8, 0xB
INITIAL_WINDOW_SIZE = 0x4
REQUEST = [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"x")]


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """Any frame, allowed or not."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def block(fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A field block that no table is needed for."""
    return Encoder().encode([(name, value, True) for name, value in fields])


def request(stream: int, path: bytes = b"/", *, method: bytes = b"GET", ends: bool = True) -> bytes:
    """A whole head."""
    fields = [(b":method", method), (b":scheme", b"http"), (b":path", path), (b":authority", b"x")]
    return frame(HEADERS, END_HEADERS | (END_STREAM if ends else 0), stream, block(fields))


def number(value: int) -> bytes:
    """32 bits, of which the payloads of RST_STREAM and WINDOW_UPDATE are made."""
    return struct.pack(">I", value)


def setting(name: int, value: int) -> bytes:
    """One setting, for a SETTINGS payload."""
    return struct.pack(">HI", name, value)


OPENING = PREFACE + frame(SETTINGS)


class Frame(NamedTuple):
    """What the server said."""

    kind: int
    flags: int
    stream: int
    payload: bytes


def frames_of(data: bytes) -> Iterator[Frame]:
    """The whole frames in these bytes."""
    at = 0
    while at + 9 <= len(data):
        size = int.from_bytes(data[at : at + 3], "big")
        kind, flags, stream = struct.unpack(">BBI", data[at + 3 : at + 9])
        if at + 9 + size > len(data):
            return
        yield Frame(kind, flags, stream, data[at + 9 : at + 9 + size])
        at += 9 + size


def goaway_of(data: bytes) -> tuple[int, str] | None:
    """Code and words of the last GOAWAY in these bytes; None without one."""
    found = [frame for frame in frames_of(data) if frame.kind == GOAWAY]
    if not found:
        return None
    _, code = struct.unpack(">II", found[-1].payload[:8])
    return code, found[-1].payload[8:].decode()
