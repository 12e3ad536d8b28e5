"""Going on by hand with a coroutine: results, errors and cancellation go where `await` would take them, on both loops."""

from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import pytest

from pagi.server.transports.driving import DONE, first_step, go_on

pytestmark = pytest.mark.anyio


async def with_relief(steps: Coroutine[Any, Any, None], relieve: Callable[[], object]) -> None:
    """Awaits `steps` as a transport does: its first step by hand, and `relieve` before it has to wait."""
    awaited = first_step(steps)
    if awaited is not DONE:
        relieve()
        await go_on(steps, awaited)


async def test_what_does_not_wait_needs_no_relief() -> None:
    relieved: list[None] = []
    seen: list[str] = []

    async def work() -> None:
        seen.append("done")

    await with_relief(work(), lambda: relieved.append(None))
    assert (seen, relieved) == (["done"], [])


async def test_relief_comes_once_at_the_first_wait() -> None:
    seen: list[str] = []

    async def work() -> None:
        seen.append("began")
        await anyio.sleep(0)
        seen.append("went on")
        await anyio.sleep(0)

    await with_relief(work(), lambda: seen.append("relief"))
    assert seen == ["began", "relief", "went on"]


async def test_an_error_comes_out_of_the_first_step_and_of_a_later_one() -> None:
    async def work(waits: bool) -> None:
        if waits:
            await anyio.sleep(0)
        raise ValueError("no")

    for waits in (False, True):
        with pytest.raises(ValueError, match="no"):
            await with_relief(work(waits), lambda: None)


async def test_a_cancellation_reaches_the_work_and_its_cleanup_may_wait() -> None:
    seen: list[str] = []

    async def work() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0)
            seen.append("cleaned")

    with anyio.move_on_after(0.01) as scope:
        await with_relief(work(), lambda: None)
    assert scope.cancelled_caught
    assert seen == ["cleaned"]
