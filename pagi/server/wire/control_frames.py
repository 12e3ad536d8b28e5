"""The control frames a server writes (RFC 6455 section 5.5): Close, Ping and Pong, checked. Knows no connection."""

from pagi.http.errors import AppError

MAX_CONTROL_BYTES = 125


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


def pong_frame(payload: bytes) -> bytes:
    """The answer to a Ping that was read, so its payload fits."""
    return b"\x8a%c%b" % (len(payload), payload)


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
