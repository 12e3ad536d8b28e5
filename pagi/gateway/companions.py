"""Tasks that live as long as one application call: keepalive, a watch for the client's departure, a grace period."""

from collections.abc import Awaitable, Callable

import anyio
from anyio.abc import TaskGroup

from pagi.gateway.types import AnyApp, Receive, Scope, Send


class Companions:
    """Runs one application call, and beside it whatever `start` is given.

    The application's exception comes out as it is, never in an exception group. A companion that fails ends the call, and
    its exception comes out instead.
    """

    __slots__ = ("_failure", "_group")

    def __init__(self) -> None:
        self._failure: Exception | None = None
        self._group: TaskGroup | None = None

    async def run(self, app: AnyApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Calls the application, then cancels what still runs beside it.

        Raises:
            Exception: whatever `app` or a companion raised.
        """
        async with anyio.create_task_group() as group:
            self._group = group
            try:
                await app(scope, receive, send)
            except Exception as error:
                self._failure = error
            finally:
                self._group = None
            group.cancel_scope.cancel()
        if self._failure is not None:
            try:
                raise self._failure
            finally:
                self._failure = None  # no cycle through the traceback

    def start(self, companion: Callable[[], Awaitable[None]]) -> None:
        """Starts `companion()` beside the application; does nothing once the application has returned."""
        if self._group is not None:
            self._group.start_soon(self._run, companion)

    async def _run(self, companion: Callable[[], Awaitable[None]]) -> None:
        try:
            await companion()
        except Exception as error:
            self._failure = error
            if self._group is not None:
                self._group.cancel_scope.cancel()
