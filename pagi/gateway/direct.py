"""What pagi's own server offers beside events: plain calls on the `send` it gave, for a framework with no wrapper in between.

A wrapper of `send` hides all of it and so sees every event; under another server it is not there. Whoever uses it asks first.
"""

from collections.abc import Awaitable, Callable
from typing import Protocol

from typing_extensions import TypeIs

from pagi.gateway.types import HeaderList, Message


class Timer(Protocol):
    """Something that was arranged and may be called off."""

    def cancel(self) -> None: ...


class Direct(Protocol):
    """The `send` of an http or sse exchange on pagi's server. All but `__call__` and `pace` are plain functions and never wait.

    Each raises `ClientGone` where the client left, and `AppError` where its turn has not come or what it is given may not go out.
    """

    def __call__(self, event: Message, /) -> Awaitable[None]:
        """Takes one event, as any `send`."""
        ...

    def full(self, status: int, headers: HeaderList, body: bytes) -> None:
        """Takes a whole http answer at once: head, body and end. A missing Content-Length is added."""
        ...

    def settle(self, kind: str) -> None:
        """Makes the exchange `"http"` or `"sse"`, before anything was sent. The caller sets `scope["type"]` as well."""
        ...

    def start(self, event: Message) -> None:
        """Takes an `http.response.start` or `sse.start`."""
        ...

    @property
    def chunk(self) -> Callable[[bytes], bool]:
        """Takes bytes of a body that was started and goes on: of a stream, or of events already encoded. True: it is time for `pace`.

        Whoever has many takes it once: `chunk = send.chunk`.
        """
        ...

    async def pace(self) -> None:
        """Waits while the client is slow, and lets others run in any case."""
        ...

    def after(self, seconds: float, fn: Callable[[], None]) -> Timer:
        """Calls `fn` in so many seconds, on the server's clock."""
        ...


def is_direct(send: object) -> TypeIs[Direct]:
    """True for the very `send` that pagi's server gave."""
    return hasattr(send, "chunk") and hasattr(send, "full")
