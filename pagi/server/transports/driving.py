"""Going on with a coroutine whose first step was taken by hand. Knows no loop: whatever the coroutine waits for is handed through."""

from collections.abc import Coroutine, Generator
from types import coroutine
from typing import Any

DONE = object()
"""There is nothing to go on with."""


@coroutine
def go_on(steps: Coroutine[Any, Any, None], awaited: Any) -> Generator[Any, Any, None]:
    """Awaits the rest of `steps`, which waits for `awaited` now."""
    try:
        while True:
            try:
                sent = yield awaited
            except GeneratorExit:
                steps.close()
                raise
            except BaseException as interruption:
                awaited = steps.throw(interruption)
            else:
                awaited = steps.send(sent)
    except StopIteration:
        return


def first_step(steps: Coroutine[Any, Any, None]) -> Any:
    """Takes the first step of `steps`. Returns what it then waits for, for `go_on`; `DONE` where it ended: most exchanges do."""
    try:
        return steps.send(None)
    except StopIteration:
        return DONE
