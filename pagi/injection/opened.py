"""A generator provider that gave its value and waits for the end of its scope."""

from collections.abc import AsyncGenerator, Callable, Generator
from types import TracebackType
from typing import Any

import anyio.to_thread

from pagi.injection.errors import BadGenerator


class Opened:
    """One opened generator, async or not: an async context manager whose value is what was yielded.

    An exception of the block is thrown in at the `yield`, and goes on whatever the generator makes of it: cleanup may
    watch a failure, or raise another, but not hide it.
    """

    __slots__ = ("_function", "_generator", "_thread")

    def __init__(self, function: Callable[..., Any], generator: Any, *, thread: bool = False) -> None:
        self._function = function
        self._generator: AsyncGenerator[Any, Any] | Generator[Any, Any, Any] = generator
        self._thread = thread

    async def __aenter__(self) -> Any:
        return await self.open()

    async def open(self) -> Any:
        """Runs to the `yield`, and gives its value.

        Raises:
            BadGenerator: it ended without one.
        """
        try:
            return await self._step(None)
        except StopAsyncIteration:
            raise BadGenerator(self._function, "ended without a value") from None

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close(error, None)

    async def close(self, error: BaseException | None, outcome: object) -> None:
        """Lets it go on to its end: with `error` thrown in, else with `outcome` as what `yield` gives.

        Raises:
            BadGenerator: it yields once more; it is closed then.
            Exception: what the cleanup raises; never `error` itself.
        """
        try:
            await (self._step(outcome) if error is None else self._throw(error))
        except StopAsyncIteration:
            return
        except BaseException as raised:
            # A StopIteration of the block leaves a generator as the cause of a RuntimeError.
            if raised is error or (isinstance(error, (StopIteration, StopAsyncIteration)) and raised.__cause__ is error):
                return
            raise
        await self._abort()
        raise BadGenerator(self._function, "yielded a second time")

    async def _step(self, value: object) -> Any:
        if isinstance(self._generator, AsyncGenerator):
            return await self._generator.asend(value)
        return await self._plainly(self._generator.send, value)

    async def _throw(self, error: BaseException) -> Any:
        if isinstance(self._generator, AsyncGenerator):
            return await self._generator.athrow(error)
        return await self._plainly(self._generator.throw, error)

    async def _abort(self) -> None:
        if isinstance(self._generator, AsyncGenerator):
            await self._generator.aclose()
        else:
            self._generator.close()

    async def _plainly(self, step: Callable[[Any], Any], value: object) -> Any:
        """One step of a plain generator. StopIteration cannot leave a coroutine or a thread: it travels as its async twin."""

        def run() -> tuple[bool, Any]:
            try:
                return False, step(value)
            except StopIteration:
                return True, None

        # A limiter of its own: cleanup never waits for the thread of a handler.
        has_ended, result = await anyio.to_thread.run_sync(run, limiter=_own_limiter()) if self._thread else run()
        if has_ended:
            raise StopAsyncIteration
        return result


def _own_limiter() -> anyio.CapacityLimiter:
    return anyio.CapacityLimiter(1)
