"""The event-stream side of an exchange: its translator, and the clock that keeps a quiet stream alive."""

from collections.abc import Sequence
from typing import Protocol

from pagi.gateway.event_stream import EventStream, frame
from pagi.gateway.grammar import DECLINE
from pagi.gateway.types import Message
from pagi.server.exchanges.base import SWEPT_SECONDS
from pagi.server.options import SSEOptions
from pagi.server.runtime import Runtime, Timer


class KeptAlive(Protocol):
    """The exchange, as its clock sees it."""

    def keep_alive(self, event: Message) -> None:
        """Sends a comment, as an http event, where one still can be sent."""
        ...


class ServedStream:
    """One `EventStream` with a clock. `exchange` is handed the http event of a comment whenever the stream was quiet for long enough."""

    __slots__ = ("_exchange", "_last_event", "_last_written", "_options", "_runtime", "_timer", "_translator", "is_live", "moved")

    def __init__(self, options: SSEOptions, runtime: Runtime, exchange: KeptAlive) -> None:
        self._options = options
        self._runtime = runtime
        self._exchange = exchange
        self._translator = EventStream(keepalive_interval=options.sse_keepalive_seconds)
        self._timer: Timer | None = None
        self._last_event = self._last_written = 0.0
        self.is_live = False
        """The stream was started and goes on."""
        self.moved = False
        """Events were sent since the clock was last looked at: reading it for each of a burst would cost more than it tells."""

    def frame(self, event: Message) -> bytes | None:
        """The bytes of an `sse.send` on an open stream, by the short way; None for everything that must be fed."""
        if event.get("type") != "sse.send" or self._translator.state != "open":
            return None
        self.moved = True
        return frame(event)

    def feed(self, event: Message) -> Sequence[Message]:
        """What an `sse.*` event is in `http.*` events. Raises `AppError` for one that is wrong or out of order."""
        translated = self._translator.feed(event)
        self.is_live = self._translator.state == "open"
        self._last_written = self._last_event = self._runtime.now()
        if event["type"] in ("sse.start", "sse.keepalive"):
            self._arrange()
        return translated

    def finish(self) -> Sequence[Message]:
        """What ends the stream when the application returns."""
        self.stop()
        self.is_live = False
        return self._translator.finish()

    @property
    def awaits_trailers(self) -> bool:
        """A declined answer is whole but for the trailers it announced."""
        return self._translator.state == f"{DECLINE}trailers"

    def stop(self) -> None:
        """No keepalive any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def is_idle(self, now: float) -> bool:
        """Sends the keepalive that is due, and says whether the stream was without an event for longer than it may be."""
        if not self.is_live:
            return False
        self._look_back(now)
        interval = self._translator.keepalive_interval
        if interval >= SWEPT_SECONDS and now - self._last_written >= interval:
            self._comment(now)
        idle = self._options.sse_idle_seconds
        return idle > 0 and now - self._last_event >= idle

    def _look_back(self, now: float) -> None:
        if self.moved:
            self.moved = False
            self._last_written = self._last_event = now

    def _comment(self, now: float) -> None:
        self._last_written = now
        self._exchange.keep_alive(self._translator.keepalive())

    def _arrange(self) -> None:
        self.stop()
        interval = self._translator.keepalive_interval
        if 0 < interval < SWEPT_SECONDS and self.is_live:
            self._timer = self._runtime.at(self._last_written + interval, self._tick)

    def _tick(self) -> None:
        self._timer = None
        now = self._runtime.now()
        self._look_back(now)
        if self.is_live and now - self._last_written >= self._translator.keepalive_interval:
            self._comment(now)
        self._arrange()
