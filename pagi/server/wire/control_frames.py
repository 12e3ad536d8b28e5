"""Control frames (RFC 6455 section 5.5): those a server writes, checked, and Pings and Pongs read. Knows no connection."""

from collections.abc import Sequence

from pagi.http.errors import AppError
from pagi.server.wire.frame_start import MASKED, PING, PONG
from pagi.server.wire.masking import mask
from pagi.server.wire.websocket_events import Ping, Pong, WSEvent

MAX_CONTROL_BYTES = 125
MOST_PONGS = 16
"""So many Pings are answered one by one. Of more the latest may be the only ones (RFC 6455 section 5.5.3): a flood leaves little."""
PINGS = (PING, PONG)
"""The first bytes of what `read_pings` reads."""


class InvalidPing(AppError):
    """A Ping's payload is over what a control frame holds (RFC 6455 section 5.5)."""

    def __init__(self, size: int) -> None:
        super().__init__(f"a ping carries at most {MAX_CONTROL_BYTES} bytes, got {size}; shorten it")
        self.size = size


class InvalidClose(AppError):
    """A Close may not have this code or reason (RFC 6455 sections 5.5.1 and 7.4)."""

    def __init__(self, code: int, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def ping_frame(payload: bytes) -> bytes:
    """A Ping.

    >>> ping_frame(b"hi")
    b'\\x89\\x02hi'

    Raises:
        InvalidPing: more than 125 bytes.
    """
    if len(payload) > MAX_CONTROL_BYTES:
        raise InvalidPing(len(payload))
    return b"\x89%c%b" % (len(payload), payload)


def with_pongs(waiting: Sequence[bytes], pings: Sequence[bytes]) -> list[bytes]:
    """The Pongs that wait and those to more Pings, which were read, so their payloads fit: the latest `MOST_PONGS` of them.

    >>> with_pongs([b"\\x8a\\x01a"], [b"bc"])
    [b'\\x8a\\x01a', b'\\x8a\\x02bc']
    """
    return [*waiting, *(b"\x8a%c%b" % (len(payload), payload) for payload in pings)][-MOST_PONGS:]


def read_pings(data: bytes | bytearray, start: int, end: int, most: int, events: list[WSEvent]) -> tuple[int, list[bytes]]:
    """Reads the lawful, whole Pings and Pongs that follow each other from `start` on, `most` of them at most.

    Returns:
        The offset after them, and the payloads of the latest `MOST_PONGS` Pings.
    """
    pings: list[bytes] = []
    for _ in range(most):
        if end - start < 6:
            break
        first, size = data[start], data[start + 1] - MASKED
        after = start + 6 + size
        if (first != PING and first != PONG) or not 0 <= size <= MAX_CONTROL_BYTES or after > end:
            break
        payload = mask(data[start + 6 : after], data[start + 2 : start + 6]) if size else b""
        if first == PING:
            pings.append(payload)
            events.append(Ping(payload))
        else:
            events.append(Pong(payload))
        start = after
    return start, pings[-MOST_PONGS:]


def close_frame(code: int, reason: str) -> bytes:
    """A Close with a code.

    >>> close_frame(1000, "")
    b'\\x88\\x02\\x03\\xe8'

    Raises:
        InvalidClose: a code other than 1000 to 1003, 1007 to 1014 or 3000 to 4999, or a reason over 123 bytes of UTF-8.
    """
    if not (1000 <= code <= 1003 or 1007 <= code <= 1014 or 3000 <= code <= 4999):
        raise InvalidClose(code, f"close code {code} may not be sent; use 1000 to 1003, 1007 to 1014 or 3000 to 4999")
    try:
        text = reason.encode()
    except UnicodeEncodeError as exc:
        raise InvalidClose(code, f"close reason has a lone surrogate at position {exc.start}; leave it out") from exc
    if len(text) > MAX_CONTROL_BYTES - 2:
        raise InvalidClose(code, f"close reason is {len(text)} bytes of UTF-8, a Close holds {MAX_CONTROL_BYTES - 2}; shorten it")
    return b"\x88%c%b%b" % (2 + len(text), code.to_bytes(2, "big"), text)


EMPTY_CLOSE = b"\x88\x00"
"""A Close without a code, which the other end reads as 1005 (RFC 6455 section 7.1.5)."""
