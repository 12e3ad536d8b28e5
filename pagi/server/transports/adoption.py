"""The first step of an exchange without a task of its own: most end there. One that waits is adopted by a task kept ready.

A task per request is the dearest thing left on the hot path of asyncio. Python 3.12 starts tasks eagerly; for 3.11 we do the
same with a spare task: while the first step runs, the spare is the loop's current task, so that timeouts and cancel scopes
opened in that step belong to the task that will go on with it. `_enter_task` and `_leave_task` are asyncio's documented
entries for that ("Extending asyncio").
"""

import asyncio
import sys
from asyncio.tasks import _enter_task, _leave_task  # pyright: ignore[reportPrivateUsage]
from collections.abc import Callable, Coroutine
from contextvars import Context, copy_context
from typing import Any, TypeAlias

from pagi.server.transports.driving import go_on

Work: TypeAlias = Callable[[], Coroutine[Any, Any, None]]

STARTS_EAGERLY = sys.version_info >= (3, 12)


SPARES = 4
"""Tasks kept ready: as many exchanges that wait may begin in one turn of the loop before the next gets an ordinary task."""


class Adopter:
    """Starts work on one asyncio loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._ready: list[Spare] = []
        self._coming = 0
        self._is_closed = False
        self.start = self._start_eagerly if STARTS_EAGERLY else self._start_in_place

    def close(self) -> None:
        """Lets the spare tasks end."""
        self._is_closed = True
        for spare in self._ready:
            spare.task.cancel()
        self._ready.clear()

    def arrived(self, spare: "Spare") -> bool:
        """A spare task has taken its own first step, and can adopt. Returns whether it is wanted."""
        self._coming -= 1
        if self._is_closed:
            return False
        self._ready.append(spare)
        return True

    def _start_eagerly(self, work: Work) -> asyncio.Task[None] | None:
        if asyncio.current_task(self._loop) is not None:
            return self._loop.create_task(work())  # started by another exchange: pipelined ones must not nest
        task: asyncio.Task[None] = asyncio.Task(work(), loop=self._loop, eager_start=True)  # type: ignore[call-arg]
        if not task.done():
            return task
        task.result()  # raises what the first step raised
        return None

    def _start_in_place(self, work: Work) -> asyncio.Task[None] | None:
        """Runs the first step now. Returns the task that goes on with it; None where there was nothing to go on with."""
        loop = self._loop
        if not self._ready or asyncio.current_task(loop) is not None:
            self._prepare()
            return loop.create_task(work())  # where another exchange starts it, only that one can be current
        spare = self._ready[-1]
        context = copy_context()
        steps = work()
        _enter_task(loop, spare.task)
        try:
            awaited = context.run(steps.send, None)
        except StopIteration:
            return None
        finally:
            _leave_task(loop, spare.task)
        self._ready.pop()
        self._prepare()
        spare.adopt(steps, context, awaited)
        return spare.task

    def _prepare(self) -> None:
        while len(self._ready) + self._coming < SPARES and not self._is_closed:
            self._coming += 1
            Spare(self._loop, self)


class Spare:
    """A task that waits for a coroutine whose first step is behind it, and then goes on with it.

    It counts as ready only once it waits: a task that is cancelled before its own first step would never hear of what it adopted.
    """

    __slots__ = ("_adopted", "_wanted", "task")

    def __init__(self, loop: asyncio.AbstractEventLoop, adopter: Adopter) -> None:
        self._wanted: asyncio.Future[None] | None = loop.create_future()
        self._adopted: tuple[Coroutine[Any, Any, None], Context, Any] | None = None
        self.task = loop.create_task(self._run(self._wanted, adopter))

    def adopt(self, steps: Coroutine[Any, Any, None], context: Context, awaited: object) -> None:
        """Goes on with `steps` from its first wait, `awaited`."""
        self._adopted = (steps, context, awaited)
        if self._wanted is not None and not self._wanted.done():
            self._wanted.set_result(None)
        self._wanted = None

    async def _run(self, wanted: asyncio.Future[None], adopter: Adopter) -> None:
        if not adopter.arrived(self):
            return
        cancelled: BaseException | None = None
        try:
            await wanted
        except asyncio.CancelledError as error:
            # Cancelled between its adoption and its first turn: the coroutine hears of it at its first wait.
            cancelled = error
        if self._adopted is None:
            return
        steps, context, awaited = self._adopted
        del self, wanted, adopter  # a stream may go on for hours: it keeps only what it needs
        await go_on(steps, awaited, context, cancelled)
