"""What the application of an http or sse exchange gets as `send`: the calls of `Direct`, and nothing else of the exchange."""

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from pagi.gateway.types import HeaderList, Message
from pagi.server.runtime import Timer


class Sending(Protocol):
    """The exchange, as its `Sender` sees it. Each call is described in `pagi.gateway.direct.Direct`."""

    def send(self, event: Message) -> Coroutine[Any, Any, None]: ...
    def send_full(self, status: int, headers: HeaderList, body: bytes) -> None: ...
    def settle(self, kind: str) -> None: ...
    def start(self, event: Message) -> None: ...
    def chunk(self, data: bytes) -> bool: ...
    def pace(self) -> Coroutine[Any, Any, None]: ...
    def after(self, seconds: float, fn: Callable[[], None]) -> Timer: ...


class Sender:
    """See `Direct`. It stands between, so that the exchange is not the application's to reach into."""

    __slots__ = ("_exchange",)

    def __init__(self, exchange: Sending) -> None:
        self._exchange = exchange

    def __call__(self, event: Message) -> Coroutine[Any, Any, None]:
        return self._exchange.send(event)

    def full(self, status: int, headers: HeaderList, body: bytes) -> None:
        self._exchange.send_full(status, headers, body)

    def settle(self, kind: str) -> None:
        self._exchange.settle(kind)

    def start(self, event: Message) -> None:
        self._exchange.start(event)

    @property
    def chunk(self) -> Callable[[bytes], bool]:
        return self._exchange.chunk  # taken once for a stream: a call between would be felt at each of its events

    def pace(self) -> Coroutine[Any, Any, None]:
        return self._exchange.pace()

    def after(self, seconds: float, fn: Callable[[], None]) -> Timer:
        return self._exchange.after(seconds, fn)
