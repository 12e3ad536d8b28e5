"""The context of an event stream."""

from typing import Never, cast

from pagi.context.context import Context, Settled, StateT
from pagi.messages.opening import Opening
from pagi.messages.response import HeadersLike
from pagi.messages.sse import SSE


class SSEContext(Context[StateT]):
    """One event stream. Everything here is `ctx.sse`'s; events are yielded, or sent by `ctx.sse.send`."""

    __slots__ = ()

    def _open(self) -> Opening:
        if self._opening is None:
            self._opening = SSE(self.scope, self.receive, self.send, self.site.encode)
        return self._opening

    @property
    def sse(self) -> SSE:
        """The stream's operations, and the body of the request that asked for it."""
        return cast("SSE", self._open())

    @property
    def method(self) -> str:
        """The method, in upper case."""
        return cast("str", self.scope["method"])

    @method.setter
    def method(self, value: Never) -> None:
        raise Settled("method")

    @property
    def last_event_id(self) -> str | None:
        """The id of the last event the client saw before it came back."""
        return self.sse.last_event_id

    async def start(self, *, status: int = 200, headers: HeadersLike | None = None) -> None:
        """Sends the head now; from then on nothing can be refused."""
        await self.sse.start(status=status, headers=headers)

    async def comment(self, text: str) -> None:
        """Sends a line that clients skip."""
        await self.sse.comment(text)

    async def keepalive(self, interval_seconds: float) -> None:
        """From now on a comment fills every `interval_seconds` of silence; 0: never."""
        await self.sse.keepalive(interval_seconds)

    async def close(self) -> None:
        """Ends the stream."""
        await self.sse.close()
