"""HTTP/2 frames as bytes (RFC 9113 sections 4 and 6): their names, and building those that we send."""

from enum import IntEnum
from struct import Struct

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
PRIORITY_UPDATE = 0x10
"""RFC 9218 section 7.1."""

END_STREAM = 0x01
ACK = 0x01
END_HEADERS = 0x04
PADDED = 0x08
HAS_PRIORITY = 0x20

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FRAME_HEADER_BYTES = 9
FRAME_BYTES = 16_384
"""Payload of the longest frame we send: every peer takes it, whatever its SETTINGS_MAX_FRAME_SIZE, and nobody waits long behind one."""

MAX_WINDOW = 2**31 - 1
MAX_STREAM_ID = 2**31 - 1
FIRST_WINDOW = 65_535
"""Every window before SETTINGS or WINDOW_UPDATE say otherwise."""

MAX_DEBUG_BYTES = 200

FRAME_HEADER = Struct(">BHBBL")
"""Length in two parts, type, flags, stream id with its reserved bit."""

WORD = Struct(">L")
_pack = FRAME_HEADER.pack


class Code(IntEnum):
    """Why a stream or a connection ends (RFC 9113 section 7)."""

    NO_ERROR = 0x0
    PROTOCOL_ERROR = 0x1
    INTERNAL_ERROR = 0x2
    FLOW_CONTROL_ERROR = 0x3
    SETTINGS_TIMEOUT = 0x4
    STREAM_CLOSED = 0x5
    FRAME_SIZE_ERROR = 0x6
    REFUSED_STREAM = 0x7
    CANCEL = 0x8
    COMPRESSION_ERROR = 0x9
    CONNECT_ERROR = 0xA
    ENHANCE_YOUR_CALM = 0xB
    INADEQUATE_SECURITY = 0xC
    HTTP_1_1_REQUIRED = 0xD


SETTINGS_ACK = _pack(0, 0, SETTINGS, ACK, 0)


def frame(kind: int, flags: int, stream_id: int, payload: bytes) -> bytes:
    """A whole frame, of at most 65,535 bytes."""
    return _pack(0, len(payload), kind, flags, stream_id) + payload


def data_header(size: int, flags: int, stream_id: int) -> bytes:
    """What stands before `size` bytes of a body."""
    return _pack(0, size, DATA, flags, stream_id)


def reset(stream_id: int, code: Code) -> bytes:
    """Ends a stream at once."""
    return _pack(0, 4, RST_STREAM, 0, stream_id) + WORD.pack(code)


def window_update(stream_id: int, size: int) -> bytes:
    """`size` bytes more may come; stream 0 is the connection."""
    return _pack(0, 4, WINDOW_UPDATE, 0, stream_id) + WORD.pack(size)


def goaway(last_id: int, code: Code, debug: str = "") -> bytes:
    """Streams after `last_id` were not and will not be looked at."""
    return frame(GOAWAY, 0, 0, WORD.pack(last_id) + WORD.pack(code) + debug.encode("ascii", "replace")[:MAX_DEBUG_BYTES])


def head(stream_id: int, block: bytes, ends: bool) -> bytes:
    """A field block, in as many frames as it needs."""
    flags = END_STREAM if ends else 0
    if len(block) <= FRAME_BYTES:
        return _pack(0, len(block), HEADERS, flags | END_HEADERS, stream_id) + block
    pieces = [block[at : at + FRAME_BYTES] for at in range(0, len(block), FRAME_BYTES)]
    first, *between, last = pieces
    return b"".join(
        [
            frame(HEADERS, flags, stream_id, first),
            *(frame(CONTINUATION, 0, stream_id, piece) for piece in between),
            frame(CONTINUATION, END_HEADERS, stream_id, last),
        ]
    )
