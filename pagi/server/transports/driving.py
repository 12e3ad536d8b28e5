"""Going on with a coroutine whose first step was taken by hand. Knows no loop: whatever the coroutine waits for is handed through."""

from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from types import coroutine
from typing import Any

DONE = object()
"""There is nothing to go on with."""


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


def first_step(steps: Coroutine[Any, Any, None]) -> Any:
    """Takes the first step of `steps`. Returns what it then waits for, for `go_on`; `DONE` where it ended: most exchanges do."""
    try:
        return steps.send(None)
    except StopIteration:
        return DONE
