"""SETTINGS of both sides (RFC 9113 section 6.5): what we announce, and what a client may."""

from struct import Struct

from pagi.server.options import HTTP1Options, HTTP2Options
from pagi.server.wire.http2_faults import ConnectionFault
from pagi.server.wire.http2_frames import MAX_WINDOW, SETTINGS, Code, frame

HEADER_TABLE_SIZE = 0x1
ENABLE_PUSH = 0x2
MAX_CONCURRENT_STREAMS = 0x3
INITIAL_WINDOW_SIZE = 0x4
MAX_FRAME_SIZE = 0x5
MAX_HEADER_LIST_SIZE = 0x6
ENABLE_CONNECT_PROTOCOL = 0x8
"""RFC 8441 section 3."""
NO_RFC7540_PRIORITIES = 0x9
"""RFC 9218 section 2.1."""

FIELD_OVERHEAD = 32
"""What HTTP/2 adds for each field when it measures a list of them (RFC 9113 section 6.5.2); HTTP/1.1 has four bytes around one."""
HTTP1_OVERHEAD = 4
PSEUDO_FIELDS = 5

_SETTING = Struct(">HL")
_SWITCHES = {ENABLE_PUSH: "ENABLE_PUSH", ENABLE_CONNECT_PROTOCOL: "ENABLE_CONNECT_PROTOCOL", NO_RFC7540_PRIORITIES: "NO_RFC7540_PRIORITIES"}


def our_settings(options: HTTP2Options, http1: HTTP1Options) -> bytes:
    """The frame that begins our side of a connection."""
    # Every list within HTTP/1.1's limits is within this, so no welcome client holds a head back.
    list_bytes = http1.max_head_bytes + (FIELD_OVERHEAD - HTTP1_OVERHEAD) * (http1.max_fields + PSEUDO_FIELDS)
    settings = [
        (MAX_CONCURRENT_STREAMS, options.h2_max_concurrent_streams),
        (INITIAL_WINDOW_SIZE, options.h2_initial_window_bytes),
        (MAX_FRAME_SIZE, options.h2_max_frame_bytes),
        (MAX_HEADER_LIST_SIZE, min(list_bytes, 2**32 - 1)),
        (ENABLE_CONNECT_PROTOCOL, 1),
        (NO_RFC7540_PRIORITIES, 1),
    ]
    return frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(name, value) for name, value in settings))


def read_settings(payload: bytes) -> list[tuple[int, int]]:
    """What a client's frame sets, in its order, unknown settings included.

    Raises:
        ConnectionFault: a broken frame, or a value that a setting may not have.
    """
    if len(payload) % _SETTING.size:
        raise ConnectionFault(Code.FRAME_SIZE_ERROR, f"a SETTINGS frame of {len(payload)} bytes holds no whole number of settings")
    settings: list[tuple[int, int]] = list(_SETTING.iter_unpack(payload))
    for name, value in settings:
        if name in _SWITCHES and value > 1:
            raise ConnectionFault(Code.PROTOCOL_ERROR, f"SETTINGS_{_SWITCHES[name]} must be 0 or 1, not {value}")
        if name == INITIAL_WINDOW_SIZE and value > MAX_WINDOW:
            raise ConnectionFault(Code.FLOW_CONTROL_ERROR, f"SETTINGS_INITIAL_WINDOW_SIZE may be {MAX_WINDOW} at most, not {value}")
        if name == MAX_FRAME_SIZE and not 2**14 <= value < 2**24:
            raise ConnectionFault(Code.PROTOCOL_ERROR, f"SETTINGS_MAX_FRAME_SIZE must be from {2**14} to {2**24 - 1}, not {value}")
    return settings
