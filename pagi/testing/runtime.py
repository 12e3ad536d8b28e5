"""The loop the test runs on, as the server's core asks for one: tasks of its own, outside the caller's, on asyncio and on trio."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeAlias

import anyio
import anyio.lowlevel

from pagi.gateway.connection import Waiter
from pagi.server.runtime import Timer

Work: TypeAlias = Callable[[], Coroutine[Any, Any, None]]


class HostedTask:
    """One task of a `HostedRuntime`, with the scope that may end it."""

    def __init__(self, failed: Callable[[BaseException], None]) -> None:
        self._failed = failed
        self._scope = anyio.CancelScope()
        self._ended = anyio.Event()
        self.native: object = None
        """What the loop gave for it. Kept, because asyncio holds its tasks weakly."""

    @property
    def is_over(self) -> bool:
        return self._ended.is_set()

    def cancel(self) -> None:
        self._scope.cancel()

    async def wait(self) -> None:
        """Waits for its end."""
        await self._ended.wait()

    async def run(self, work: Work) -> None:
        """The whole task. What `work` raises is reported; only the loop's own cancellation goes on from here."""
        try:
            with self._scope:
                await work()
        except anyio.get_cancelled_exc_class():
            raise
        except BaseException as error:
            self._failed(error)
        finally:
            self._ended.set()


class HostedTimer:
    """A call arranged for later, as a sleeping task."""

    def __init__(self, deadline: float, fn: Callable[[], None]) -> None:
        self._deadline = deadline
        self._fn = fn
        self._scope = anyio.CancelScope()

    def cancel(self) -> None:
        self._scope.cancel()

    async def run(self) -> None:
        """Sleeps until the deadline, then calls."""
        with self._scope:
            await anyio.sleep_until(self._deadline)
            self._fn()


class HostedRuntime:
    """A `Runtime` whose tasks belong to nobody's task group: who opens it in one task may close it in another.

    On asyncio they are plain tasks, on trio system tasks, each in a copy of the context it was started from. What one of
    them raises goes to `failed`, and so cannot reach the test in an exception group.
    """

    def __init__(self, failed: Callable[[BaseException], None]) -> None:
        self._failed = failed
        self._start = _starter()
        self._tasks: set[HostedTask] = set()
        self._soon: list[Callable[[], None]] = []

    def now(self) -> float:
        return anyio.current_time()

    def spawn(self, work: Work) -> HostedTask:
        task = HostedTask(self._failed)
        self._tasks.add(task)

        async def run() -> None:
            try:
                await task.run(work)
            finally:
                self._tasks.discard(task)

        task.native = self._start(run)
        return task

    async def cancel(self, tasks: list[object], grace_seconds: float) -> int:
        running = [task for task in tasks if isinstance(task, HostedTask) and not task.is_over]
        for task in running:
            task.cancel()
        with anyio.move_on_after(grace_seconds):
            for task in running:
                await task.wait()
        return sum(not task.is_over for task in running)

    def waiter(self) -> Waiter:
        return anyio.Event()

    def checkpoint(self) -> Awaitable[None]:
        return anyio.lowlevel.checkpoint()

    def soon(self, fn: Callable[[], None]) -> None:
        self._soon.append(fn)
        if len(self._soon) == 1:
            self.spawn(self._run_soon)

    def at(self, deadline: float, fn: Callable[[], None]) -> Timer:
        timer = HostedTimer(deadline, fn)
        self.spawn(timer.run)
        return timer

    def following(self) -> AbstractContextManager[None]:
        """While the block runs, the clock goes with the loop's: nothing to do where it is the loop's."""
        return nullcontext()

    def close(self) -> None:
        pass  # no task is kept ready here

    async def end(self, grace_seconds: float) -> int:
        """Cancels every task there is. Returns how many ignored that for `grace_seconds`."""
        return await self.cancel(list(self._tasks), grace_seconds)

    async def _run_soon(self) -> None:
        calls, self._soon = self._soon, []
        for fn in calls:
            fn()


def _starter() -> Callable[[Work], object]:
    """What starts a task on the running loop without a parent."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        import trio

        def start(work: Work) -> object:
            return trio.lowlevel.spawn_system_task(work, context=contextvars.copy_context())

        return start
    return lambda work: loop.create_task(work())
