"""The lifespan of an app and of the apps mounted in it: entered in order and left in reverse, by one task."""

import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

from pagi.gateway.types import Receive, Scope, Send
from pagi.injection.plan import Step
from pagi.injection.scopes import APP_SCOPE, AppScope

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
    async with AsyncExitStack() as stack:
        try:
            build()
            state = scope.setdefault("state", {})
            for app, lifespan in entered():
                state.update(await stack.enter_async_context(lifespan(app)) or {})
            steps = list(made())
            if steps:
                state[APP_SCOPE] = (await stack.enter_async_context(AppScope(steps, state))).values
        except Exception:
            message = traceback.format_exc()
            try:
                await stack.aclose()
            except Exception:
                message += "\nand what had started failed to stop:\n" + traceback.format_exc()
            await send({"type": "lifespan.startup.failed", "message": message})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        try:
            await stack.aclose()
        except Exception:
            await send({"type": "lifespan.shutdown.failed", "message": traceback.format_exc()})
            return
    await send({"type": "lifespan.shutdown.complete"})
