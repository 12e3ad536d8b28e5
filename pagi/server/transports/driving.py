"""Going on with a coroutine whose first step was taken by hand. Knows no loop: whatever the coroutine waits for is handed through."""

from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from types import coroutine
from typing import Any


@coroutine
def go_on(
    steps: Coroutine[Any, Any, None], awaited: Any, context: Context | None = None, error: BaseException | None = None
) -> Generator[Any, Any, None]:
    """Awaits the rest of `steps`, which waits for `awaited` now; each step runs in `context`, where one is given.

    With `error` it is not waited for any more: the coroutine hears of that first.
    """
    send: Callable[[Any], Any] = steps.send
    throw: Callable[[BaseException], Any] = steps.throw
    try:
        while True:
            if error is None:
                try:
                    sent = yield awaited
                except GeneratorExit:
                    steps.close()
                    raise
                except BaseException as interruption:
                    error = interruption
                else:
                    awaited = send(sent) if context is None else context.run(send, sent)
            else:
                thrown, error = error, None
                awaited = throw(thrown) if context is None else context.run(throw, thrown)
    except StopIteration:
        return


async def with_relief(steps: Coroutine[Any, Any, None], relieve: Callable[[], None]) -> None:
    """Awaits `steps`; calls `relieve` when, and only when, it has to wait for the first time. Most exchanges never do."""
    try:
        awaited = steps.send(None)
    except StopIteration:
        return
    relieve()
    await go_on(steps, awaited)
