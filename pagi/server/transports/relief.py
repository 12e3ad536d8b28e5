"""Awaiting something that most often does not wait, and being told when it does."""

from collections.abc import Callable, Coroutine, Generator
from types import coroutine
from typing import Any


@coroutine
def with_relief(steps: Coroutine[Any, Any, None], relieve: Callable[[], None]) -> Generator[Any, Any, None]:
    """Awaits `steps`; calls `relieve` when, and only when, it has to wait for the first time."""
    try:
        awaited = steps.send(None)
    except StopIteration:
        return
    relieve()
    while True:
        try:
            sent = yield awaited
        except GeneratorExit:
            steps.close()
            raise
        except BaseException as interruption:
            error = interruption
        else:
            try:
                awaited = steps.send(sent)
            except StopIteration:
                return
            continue
        try:
            awaited = steps.throw(error)
        except StopIteration:
            return
