"""The first step of an exchange without a task of its own: most end there. One that waits is adopted by a task kept ready.

A task per request is the dearest thing left on the hot path of asyncio. Python 3.12 starts tasks eagerly; for 3.11 we do the
same with a spare task: while the first step runs, the spare is the loop's current task, so that timeouts and cancel scopes
opened in that step belong to the task that will go on with it. `_enter_task` and `_leave_task` are asyncio's documented
entries for that ("Extending asyncio").
"""

import asyncio
import sys
from asyncio.tasks import _enter_task, _leave_task  # pyright: ignore[reportPrivateUsage]
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, copy_context
from typing import Any, TypeAlias

Work: TypeAlias = Callable[[], Coroutine[Any, Any, None]]

STARTS_EAGERLY = sys.version_info >= (3, 12)
NOTHING = object()
"""There is no wait that the task has not been told of yet."""
TASK_NAME = "pagi exchange"
"""One for all: a numbered one of its own would cost each idle stream 60 bytes."""

SPARES = 4
"""Tasks kept ready: as many exchanges that wait may begin in one turn of the loop before the next gets an ordinary task."""


class Adopter:
    """Starts work on one asyncio loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._ready: list[Spare] = []
        self._coming = 0
        self.context = copy_context()
        """What the spare tasks themselves run in: one for all, for they set nothing. The work they adopt brings its own."""
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
            return self._loop.create_task(work(), name=TASK_NAME)  # started by another exchange: pipelined ones must not nest
        task: asyncio.Task[None] = asyncio.Task(work(), loop=self._loop, name=TASK_NAME, eager_start=True)  # type: ignore[call-arg]
        if not task.done():
            return task
        task.result()  # raises what the first step raised
        return None

    def _start_in_place(self, work: Work) -> asyncio.Task[None] | None:
        """Runs the first step now. Returns the task that goes on with it; None where there was nothing to go on with."""
        loop = self._loop
        if not self._ready or asyncio.current_task(loop) is not None:
            self._prepare()
            return loop.create_task(work(), name=TASK_NAME)  # where another exchange starts it, only that one can be current
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
        return spare.adopt(steps, context, awaited)

    def _prepare(self) -> None:
        while len(self._ready) + self._coming < SPARES and not self._is_closed:
            self._coming += 1
            Spare(self._loop, self)


class Spare(Coroutine[Any, Any, None]):
    """The coroutine of a task kept ready: waits for one whose first step is behind it, and then is that one.

    It counts as ready only once it waits: a task that is cancelled before its own first step would never hear of what it adopted.
    Written by hand, for a coroutine function would keep a frame of its own under each of thousands of idle streams.
    """

    __slots__ = ("_adopter", "_awaited", "_context", "_steps", "_task", "_wanted")

    def __init__(self, loop: asyncio.AbstractEventLoop, adopter: Adopter) -> None:
        self._adopter = adopter
        self._steps: Coroutine[Any, Any, None] | None = None
        self._context: Context
        self._wanted: asyncio.Future[None] | None = loop.create_future()
        self._awaited: Any = next(self._wanted.__await__())
        """What the task waits for next, where it was begun before the task's turn; else `NOTHING`, and `_steps` says."""
        self._task: asyncio.Task[None] | None = loop.create_task(self, name=TASK_NAME, context=adopter.context)

    @property
    def task(self) -> asyncio.Task[None]:
        """The task, until it adopts: it must not be held by its own coroutine."""
        assert self._task is not None
        return self._task

    def adopt(self, steps: Coroutine[Any, Any, None], context: Context, awaited: object) -> asyncio.Task[None]:
        """Goes on with `steps` from its first wait, `awaited`, each step in `context`. Returns the task that does."""
        self._steps, self._context, self._awaited = steps, context, awaited
        wanted, self._wanted = self._wanted, None
        if wanted is not None and not wanted.done():
            wanted.set_result(None)
        task, self._task = self.task, None
        return task

    def send(self, value: Any) -> Any:
        awaited, steps = self._awaited, self._steps
        if awaited is NOTHING:
            assert steps is not None
            return self._context.run(steps.send, value)
        self._awaited = NOTHING
        if steps is None and not self._adopter.arrived(self):
            raise StopIteration
        return awaited

    def throw(self, error: Any, *more: Any) -> Any:
        if self._steps is None:
            raise error
        # Where the task is cancelled between its adoption and its first turn, the coroutine hears of it at its first wait.
        self._awaited = NOTHING
        return self._context.run(self._steps.throw, error, *more)

    def close(self) -> None:
        if self._steps is not None:
            self._steps.close()

    def __await__(self) -> Generator[Any, Any, None]:
        raise TypeError("only its own task goes on with it")

    def __getattr__(self, name: str) -> Any:
        # Whoever looks at the task, as `Task.print_stack` does, sees the name and the frames of what it goes on with.
        return getattr(self._steps, name)
