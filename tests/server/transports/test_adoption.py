"""The first step without a task of its own: nobody can tell, but by the clock. asyncio only: trio has no such thing."""

import asyncio
import gc
import weakref
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from functools import partial
from typing import Any

import anyio
import pytest

from pagi.server.transports.adoption import SPARES, Adopter

pytestmark = pytest.mark.anyio
WHO: ContextVar[str] = ContextVar("WHO", default="nobody")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def at_top(fn: Callable[[], Any]) -> Any:
    """Calls `fn` as the loop calls a protocol: with no current task."""
    result: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(lambda: result.set_result(fn()))
    return await result


async def ready() -> Adopter:
    """An adopter whose spare tasks wait."""
    adopter = Adopter(asyncio.get_running_loop())

    async def nothing() -> None: ...

    await at_top(lambda: adopter.start(nothing))
    await asyncio.sleep(0)
    return adopter


async def started(work: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None] | None:
    adopter = await ready()
    task: asyncio.Task[None] | None = await at_top(lambda: adopter.start(work))
    adopter.close()
    return task


async def test_work_that_does_not_wait_is_done_when_start_returns() -> None:
    seen: list[str] = []

    async def work() -> None:
        seen.append("done")

    assert await started(work) is None
    assert seen == ["done"]


async def test_the_current_task_stays_the_same_over_the_first_wait() -> None:
    tasks: list[asyncio.Task[Any] | None] = []

    async def work() -> None:
        tasks.append(asyncio.current_task())
        await asyncio.sleep(0)
        tasks.append(asyncio.current_task())

    task = await started(work)
    assert task is not None
    await task
    assert tasks == [task, task]


async def test_a_deadline_opened_in_the_first_step_still_cuts() -> None:
    seen: list[bool] = []

    async def work() -> None:
        with anyio.move_on_after(0.01) as scope:
            await anyio.sleep_forever()
        seen.append(scope.cancelled_caught)

    task = await started(work)
    assert task is not None
    await task
    assert seen == [True]


async def test_context_variables_set_by_one_are_not_seen_by_the_next_nor_outside() -> None:
    seen: list[str] = []

    async def work() -> None:
        seen.append(WHO.get())
        WHO.set("me")
        await asyncio.sleep(0)
        seen.append(WHO.get())

    adopter = await ready()
    for _ in range(2):
        task = await at_top(lambda: adopter.start(work))
        await task
    adopter.close()
    assert seen == ["nobody", "me", "nobody", "me"]
    assert WHO.get() == "nobody"


async def test_one_cancelled_before_its_first_turn_hears_of_it() -> None:
    seen: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            seen.append("heard")
            raise

    def start_and_cancel() -> asyncio.Task[None] | None:
        task = adopter.start(work)
        assert task is not None
        task.cancel()
        return task

    adopter = await ready()
    task = await at_top(start_and_cancel)
    await asyncio.wait([task])
    adopter.close()
    assert seen == ["heard"]


async def test_what_is_started_inside_a_task_gets_a_task() -> None:
    seen: list[str] = []

    async def work() -> None:
        seen.append("done")

    adopter = Adopter(asyncio.get_running_loop())
    task = adopter.start(work)  # this test is a task
    assert task is not None
    assert seen == []
    await task
    adopter.close()
    assert seen == ["done"]


async def test_an_error_of_the_first_step_does_not_leave_its_task_current() -> None:
    async def work() -> None:
        raise ValueError("no")

    adopter = await ready()

    def start() -> tuple[str, object]:
        try:
            adopter.start(work)
        except ValueError as error:
            return str(error), asyncio.current_task()
        return "", None

    assert await at_top(start) == ("no", None)
    adopter.close()


async def test_more_that_wait_at_once_than_tasks_are_ready_all_go_on() -> None:
    seen: list[int] = []

    async def work(n: int) -> None:
        await asyncio.sleep(0)
        seen.append(n)

    adopter = await ready()
    tasks = await at_top(lambda: [adopter.start(partial(work, n)) for n in range(3 * SPARES)])
    await asyncio.wait([task for task in tasks if task is not None])
    adopter.close()
    assert sorted(seen) == list(range(3 * SPARES))


async def test_whoever_looks_at_the_task_sees_the_work(capsys: pytest.CaptureFixture[str]) -> None:
    async def work() -> None:
        await asyncio.sleep(10)

    task = await started(work)
    assert task is not None
    assert "work() running at" in repr(task)
    task.print_stack()
    assert "in work" in capsys.readouterr().err
    task.cancel()


async def test_a_task_that_ended_is_freed_at_once() -> None:
    async def work() -> None:
        await asyncio.sleep(0)

    gc.disable()
    try:
        task = await started(work)
        assert task is not None
        await task
        freed = weakref.ref(task)
        del task
        await asyncio.sleep(0)
        assert freed() is None, "something that it refers to refers to it"
    finally:
        gc.enable()
