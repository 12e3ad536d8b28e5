"""The seam between a connection and one framing of HTTP."""

from typing import Protocol, TypeAlias

from pagi.gateway.file_range import FileRange
from pagi.http.errors import AppError
from pagi.server.wire.events import Event

Part: TypeAlias = bytes | FileRange
"""What a wire is given. A part of a file is never smaller than what is still joined (`JOIN_BYTES`)."""


class EventRefused(AppError):
    """An event that is not a server's to send, or has no place in this framing."""


class Engine(Protocol):
    """One framing of HTTP. Never waits, never touches a socket, never reads a clock.

    The peer's faults are events (`Fault`), nothing is raised for them. What the *application* may not send is raised from
    `send` as an `AppError`, before a byte of it is queued.
    """

    http_version: str
    closing: bool
    """Nothing more can be exchanged after the output in hand: write it, then close."""

    @property
    def mid_head(self) -> bool:
        """The beginning of a head waits for its rest."""
        ...

    @property
    def waiting_bytes(self) -> int:
        """Bytes of later requests that wait for their turn."""
        ...

    @property
    def is_bypassed(self) -> bool:
        """A tunnel is open and all that the connection carries (HTTP/1.1): its bytes need not pass through here, only its end."""
        ...

    def receive(self, data: bytes) -> list[Event]:
        """What these bytes mean. `b""` is the end of input."""
        ...

    def advance(self) -> list[Event]:
        """The exchange in hand is over: what the bytes kept back mean. HTTP/2 keeps none back and answers `[]`."""
        ...

    def close_after(self) -> None:
        """The answer in hand is the last: its head says so if it is still to be written, and `closing` follows its end."""
        ...

    def send(self, event: Event) -> None:
        """Queues an event for the peer. Raises `AppError` where it may not go out; then nothing was queued."""
        ...

    def consumed(self, stream_id: int, size: int) -> None:
        """The application took this many body bytes: the window may open (HTTP/2)."""
        ...

    def queued(self, stream_id: int) -> int:
        """Bytes accepted by `send` and not yet taken by `take_output`."""
        ...

    def take_output(self) -> list[Part]:
        """What to write now, in order. Never joins a head to a large body. Empty when there is nothing."""
        ...
