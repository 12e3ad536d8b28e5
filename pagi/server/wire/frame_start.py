"""The first two bytes of a WebSocket frame (RFC 6455 section 5.2): their parts, and what is wrong with them. Knows no connection."""

FIN = 0x80
RSV1 = 0x40
_RSV2_AND_3 = 0x30
CONTROL = 0x08
"""The bit that sets the opcodes of control frames apart."""
MASKED = 0x80

# Whole first bytes: a frame that is alone, without an extension.
TEXT = 0x81
BINARY = 0x82
PING = 0x89
PONG = 0x8A

_OPCODES = (0, 1, 2, 8, 9, 10)
_MAX_CONTROL_LENGTH = 125


def flaw(first: int, second: int, mid_message: bool, deflates: bool) -> str | None:
    """Why no client may send a frame that begins so, whatever follows; None where it may.

    Args:
        mid_message: fragments of a message came, and not yet its last.
        deflates: permessage-deflate was granted, which gives RSV1 a meaning on a message's first frame (RFC 7692 section 6).

    >>> flaw(0x83, 0x80, False, False)
    'opcode 3 is reserved'
    """
    opcode = first & 0x0F
    starts_message = opcode in (1, 2)
    if opcode not in _OPCODES:
        return f"opcode {opcode} is reserved"
    if first & _RSV2_AND_3 or (first & RSV1 and not (deflates and starts_message)):
        return f"reserved bits {first >> 4 & 7:03b} are set, to which no extension gives a meaning here"
    if not second & MASKED:
        return "a frame is not masked"
    if opcode & CONTROL:
        if not first & FIN:
            return "a control frame is fragmented"
        if second & 0x7F > _MAX_CONTROL_LENGTH:
            return "a control frame announces more than 125 bytes"
    elif starts_message == mid_message:
        return "a message begins inside another" if starts_message else "a continuation has nothing to continue"
    return None
