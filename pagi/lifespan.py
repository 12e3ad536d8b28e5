"""The lifespan of an app and of the apps mounted in it: entered in order and left in reverse, by one task."""

import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from types import TracebackType
from typing import Any, TypeVar

from pagi.endpoints.router import Router
from pagi.gateway.scopes import APP_SCOPE
from pagi.gateway.types import Receive, Scope, Send
from pagi.injection.plan import Step
from pagi.injection.scopes import AppScope

T = TypeVar("T")

Lifespan = Callable[[Any], AbstractAsyncContextManager[Mapping[str, Any] | None]]
"""Takes the app; may yield a mapping, which becomes `ctx.state`."""


async def run_lifespan(
    build: Callable[[], None],
    entered: Callable[[], Sequence[tuple[Any, Lifespan]]],
    made: Callable[[], Iterable[Step]],
    scope: Scope,
    receive: Receive,
    send: Send,
) -> None:
    """Speaks the lifespan protocol. What fails is told to the server, with its traceback, and the server logs it.

    `build` runs first; `entered` then gives each app that has a lifespan, the outermost first. Their states are merged.
    After them comes what is `made` for the run of the app: providers may ask for the state.
    """
    await receive()
    failures: list[str] = []
    async with AsyncExitStack() as stack:
        try:
            build()
            state = scope.setdefault("state", {})
            for app, lifespan in entered():
                state.update(await stack.enter_async_context(_Apart(lifespan(app), failures)) or {})
            steps = list(made())
            if steps:
                values = (await stack.enter_async_context(_Apart(AppScope(steps, state), failures))).values
                for value in values.values():
                    if isinstance(value, Router):
                        value.mark_made_late()
                state[APP_SCOPE] = values
        except Exception:
            told = [traceback.format_exc()]
            await stack.aclose()
            told += (f"and what had started failed to stop:\n{failure}" for failure in failures)
            await send({"type": "lifespan.startup.failed", "message": "\n".join(told)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await stack.aclose()
    if failures:
        await send({"type": "lifespan.shutdown.failed", "message": "\n".join(failures)})
    else:
        await send({"type": "lifespan.shutdown.complete"})


class _Apart(AbstractAsyncContextManager[T]):
    """A lifespan that ends by itself: its failure is kept, and not thrown into those around it, whose own end must not be skipped."""

    def __init__(self, inner: AbstractAsyncContextManager[T], failures: list[str]) -> None:
        self._inner = inner
        self._failures = failures

    async def __aenter__(self) -> T:
        return await self._inner.__aenter__()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool | None:
        try:
            return await self._inner.__aexit__(kind, error, trace)
        except Exception:
            self._failures.append(traceback.format_exc())
            return None
