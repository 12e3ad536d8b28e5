"""The hooks of an endpoint: compiled like handlers, and the last of them called once, however its session or stream ended."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import anyio

from pagi.context.answering import called
from pagi.context.next import Layer
from pagi.endpoints.binding import BadSignature
from pagi.endpoints.endpoint import AnyEndpoint, method_of
from pagi.endpoints.wiring import Owner, Wiring
from pagi.gateway.annotations import is_async
from pagi.gateway.reasons import ClientGone
from pagi.injection.plan import Leaf
from pagi.injection.source import Compiled, compile_plan
from pagi.messages.response import Response

log = logging.getLogger("pagi")

LAST_WORDS_SECONDS = 5.0
"""How long `on_disconnect` may take: nobody waits for it but the shutdown."""
LATE_WORDS_SECONDS = 0.5
"""How long where the shutdown deadline has passed."""

_BEGUN = object()
"""The key, among what was made for an exchange, of the note that its endpoint began."""


def compiled_hook(endpoint: AnyEndpoint, name: str, wiring: Wiring, told: Sequence[str] = (), *, begins: bool = False) -> Compiled:
    """A hook as `call(ctx, *told)`. With `begins` the call notes that the endpoint began, once everything it takes is there.

    Raises:
        ConfigError: it is no async method, or asks for what cannot be given.
    """
    hook = method_of(endpoint, name)
    if not is_async(hook):
        raise BadSignature(hook, wiring.pattern.text, "a hook is an async function")
    owner = Owner.of(endpoint) if isinstance(endpoint, type) else None
    plan = wiring.plan(hook, owner, {each: Leaf(each, what=f"the {each}") for each in told})
    return compile_plan(plan, extras=told, awaited=True, before=note_begun if begins else None)


def note_begun(ctx: Any) -> None:
    """From here on `with_last_words` has something to say."""
    if ctx.made is None:
        ctx.made = dict[Any, Any]()
    ctx.made[_BEGUN] = True


def with_last_words(
    layer: Layer, last: Callable[..., Awaitable[Any]], told: Callable[[Any, BaseException | None], tuple[Any, ...]]
) -> Layer:
    """`layer`, and after it `last(ctx, *told(ctx, error))` where the endpoint began. Nothing cancels it but its own time."""

    async def whole(ctx: Any) -> Response:
        failure: BaseException | None = None
        try:
            return await layer(ctx)
        except BaseException as error:
            failure = error
            raise
        finally:
            if ctx.made is not None and ctx.made.pop(_BEGUN, False):
                words, failure = told(ctx, failure), None  # an error holds this frame: it must not hold the error
                await _say(ctx, last, words)

    return whole


async def _say(ctx: Any, last: Callable[..., Awaitable[Any]], words: tuple[Any, ...]) -> None:
    now = anyio.current_time()
    deadline = now + LAST_WORDS_SECONDS
    if ctx.connection.closing_deadline is not None:
        deadline = min(deadline, max(ctx.connection.closing_deadline, now + LATE_WORDS_SECONDS))
    with anyio.CancelScope(shield=True, deadline=deadline) as scope:
        try:
            await last(ctx, *words)
        except ClientGone:
            pass  # it tried to send; there is nobody any more
        except Exception as error:
            log.error("on_disconnect of %s failed: %s", called(ctx), error, exc_info=error)
    if scope.cancelled_caught:
        log.error("on_disconnect of %s was cut after %.1f s", called(ctx), anyio.current_time() - now)
