"""What a WebSocket engine hears from its peer, and what it refuses to send: frozen values and errors."""

import msgspec

from pagi.http.errors import AppError


class WSEvent(msgspec.Struct, frozen=True, gc=False):
    """Something the peer did."""


class TextMessage(WSEvent, frozen=True, gc=False):
    """A whole text message."""

    data: str


class BinaryMessage(WSEvent, frozen=True, gc=False):
    """A whole binary message."""

    data: bytes


class Ping(WSEvent, frozen=True, gc=False):
    """A Ping. Its Pong is already queued."""

    payload: bytes


class Pong(WSEvent, frozen=True, gc=False):
    """A Pong, asked for or not."""

    payload: bytes


class Closed(WSEvent, frozen=True, gc=False):
    """The peer's Close, the last event; 1005 where it named no code (RFC 6455 section 7.1.5). Its answer is queued, if none was."""

    code: int
    reason: str


class WSFault(WSEvent, frozen=True, gc=False):
    """The peer broke the protocol, always the last event. Unless one went before, a Close with `code` (1002, 1007 or 1009) is queued."""

    code: int
    detail: str
    """One sentence for the log; the peer is told the code only."""


class WebSocketNotOpen(AppError):
    """Something was sent after a Close went either way. Ask `is_open` first."""

    def __init__(self, what: str) -> None:
        super().__init__(f"a {what} cannot be sent: the WebSocket is closing or closed; check is_open before sending")


class UnsendableText(AppError):
    """A text message has a lone surrogate, which UTF-8 cannot carry."""

    def __init__(self, position: int) -> None:
        super().__init__(f"text has a lone surrogate at position {position}, which UTF-8 cannot carry; send such data as bytes")
        self.position = position
