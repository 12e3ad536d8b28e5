"""Where made values live: in the run of an application, or in one exchange; and how both end."""

import logging
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from inspect import isclass
from types import TracebackType
from typing import Any, Protocol, Self

import anyio.to_thread

from pagi.gateway.scopes import APP_SCOPE
from pagi.gateway.types import Scope
from pagi.injection.errors import NoAppScope
from pagi.injection.opened import Opened
from pagi.injection.plan import Leaf, Step

_NOTHING: Mapping[str, Any] = {}

log = logging.getLogger("pagi")


class Exchange(Protocol):
    """What a context keeps for us."""

    scope: Scope
    made: dict[Any, Any] | None
    """What was made for this exchange, by key."""
    exits: list[Opened] | None
    """What has to be closed when it is over, in the order of opening."""


# ---- one exchange


def app_values(ctx: Exchange) -> Mapping[Any, Any]:
    """The values of scope `app`.

    Raises:
        NoAppScope: the application was never started.
    """
    scope = ctx.scope
    values: Mapping[Any, Any] | None = scope.get(APP_SCOPE) or (scope.get("state") or _NOTHING).get(APP_SCOPE)
    if values is None:
        raise NoAppScope
    return values


async def enter_request(ctx: Exchange, function: Callable[..., Any], generator: Any, thread: bool) -> Any:
    """The value of a generator that goes on when the exchange is over."""
    opened = Opened(function, generator, thread=thread)
    value = await opened.open()
    if ctx.exits is None:
        ctx.exits = [opened]
    else:
        ctx.exits.append(opened)
    return value


async def in_worker(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """What a function that blocks gives, called in a worker thread."""
    return await anyio.to_thread.run_sync(partial(function, *args, **kwargs))


async def close_request(exits: list[Opened], error: BaseException | None, outcome: object, where: str) -> None:
    """Ends what an exchange opened, in reverse order: with the exception that ended its handler, else with the outcome.

    Nothing of it can reach the client any more: what fails is logged, and the rest is still closed.
    """
    try:
        while exits:
            try:
                await exits.pop().close(error, outcome)
            except Exception as failure:
                log.error("cleanup after %s failed: %s", where, failure, exc_info=failure)
    finally:
        if exits:  # cancelled: what does not wait for anything is still done
            await close_request(exits, error, outcome, where)


# ---- one run of an application


class AppScope:
    """The values that live as long as a run of the application. Entered and left by one task, since generators must not cross tasks.

    What ends the run is no concern of a provider: each goes on after its `yield` as if nothing had happened elsewhere, so that
    a pool is closed also where another one failed to open, or to close.
    """

    def __init__(self, steps: Iterable[Step], state: Mapping[str, Any]) -> None:
        self.values: dict[Any, Any] = {}
        self._steps = list(steps)
        self._state = state
        self._opened: list[Opened] = []

    async def __aenter__(self) -> Self:
        try:
            for step in self._steps:
                if step.maker.key not in self.values:
                    self.values[step.maker.key] = await self._make(step)
        except BaseException:
            for failure in await self._close():
                log.error("cleanup after a failed start failed too: %s", failure, exc_info=failure)
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        failures = await self._close()
        if len(failures) == 1:
            raise failures[0]
        if failures:
            raise ExceptionGroup("several providers failed to close", failures)

    async def _close(self) -> list[Exception]:
        failures: list[Exception] = []
        try:
            while self._opened:
                try:
                    await self._opened.pop().close(None, None)
                except Exception as failure:
                    failures.append(failure)
        finally:
            if self._opened:  # cancelled: what does not wait for anything is still done
                await self._close()
        return failures

    async def _make(self, step: Step) -> Any:
        maker = step.maker
        arguments = {argument.name: await self._value(argument.source) for argument in step.arguments}
        if maker.how == "value":
            return maker.value
        if maker.is_generator:
            opened = Opened(maker.function, maker.function(**arguments), thread=maker.thread)
            value = await opened.open()
            self._opened.append(opened)
            return value
        if maker.thread:
            return await in_worker(maker.function, **arguments)
        value = maker.function(**arguments)
        return await value if hasattr(value, "__await__") and not isclass(maker.function) else value

    async def _value(self, source: Leaf | Step) -> Any:
        if isinstance(source, Leaf):
            return self._state  # the only thing that is there before any exchange
        if source.is_cached and source.maker.how != "value":
            return self.values[source.maker.key]
        return await self._make(source)
