"""From an exception to an answer: the app's own handlers first, then what refusals stand for."""

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, cast

from pagi.context.pages import suited
from pagi.endpoints.invalid import InvalidInput, Unfit, all_misfits
from pagi.gateway.annotations import name_of
from pagi.gateway.reasons import ClientGone
from pagi.http.errors import AppError, ConfigError, PeerError
from pagi.injection.plan import Leaf
from pagi.messages.problems import HTTPException, answer_to
from pagi.messages.response import Response

ExceptionHandler = Callable[[Any, Any], Response | Awaitable[Response]]
"""`(ctx, error) -> Response`, async or not."""

OUTERMOST: tuple[type[BaseException] | int, ...] = (Exception, 500)
"""What is caught at the outermost edge alone, after every middleware saw it."""


class BadExceptionHandler(AppError):
    """An exception handler returned something that is no Response."""

    def __init__(self, handler: object, result: object) -> None:
        super().__init__(f"exception handler {name_of(handler)} returned {type(result).__name__}, not a Response")


class Rescue:
    """The exception handlers of one app, and round them those of the apps it is mounted in."""

    def __init__(self, handlers: Mapping[Any, ExceptionHandler] | None = None, around: "Rescue | None" = None) -> None:
        self._around = around
        self._handlers: dict[Any, ExceptionHandler] = {}
        for caught, handler in (handlers or {}).items():
            is_status = isinstance(caught, int) and 400 <= caught <= 599
            if not is_status and not (inspect.isclass(caught) and issubclass(caught, Exception)):
                raise ConfigError(f"exception handlers are for exception classes and statuses from 400 to 599, not {caught!r}")
            if not callable(handler):
                raise ConfigError(f"the handler for {caught!r} is {handler!r}, which cannot be called")
            self._handlers[caught] = handler

    async def answer(self, ctx: Any, error: Exception) -> Response | None:
        """The answer that `error` becomes where it was raised; None where it goes on as what it is.

        Raises:
            Exception: what the handler of the app raises in its place.
        """
        if ctx.has_left or isinstance(error, ClientGone):
            return None
        if isinstance(error, Unfit):
            error = InvalidInput(error.errors)
        handler = self._innermost(error)
        if handler is not None:
            return await self._answered(handler, ctx, error)
        return suited(ctx, answer_to(error)) if isinstance(error, (HTTPException, PeerError)) else None

    async def last(self, ctx: Any, error: Exception) -> Response | None:
        """The app's own answer to an error nobody caught; None where it has none."""
        handler = next((self._handlers[caught] for caught in OUTERMOST if caught in self._handlers), None)
        if handler is not None:
            return await self._answered(handler, ctx, error)
        return await self._around.last(ctx, error) if self._around is not None else None

    def _innermost(self, error: Exception) -> ExceptionHandler | None:
        """The app's own handler, however general, goes before those of the apps around."""
        status = error.status if isinstance(error, (HTTPException, PeerError)) else 500
        if status != 500 and status in self._handlers:
            return self._handlers[status]
        for cls in type(error).__mro__:
            if cls in self._handlers and cls is not Exception:
                return self._handlers[cls]
        return self._around._innermost(error) if self._around is not None else None

    async def _answered(self, handler: ExceptionHandler, ctx: Any, error: Exception) -> Response:
        result: Any = handler(ctx, error)
        response: Any = await result if inspect.isawaitable(result) else result
        if not isinstance(response, Response):
            raise BadExceptionHandler(handler, response)
        return response


async def rescued(ctx: Any, error: Exception, leaves: Sequence[Leaf] = ()) -> Response | None:
    """What becomes of an error that ended a handler; None: it goes on. `leaves` are the inputs that may be wrong, too."""
    note_failure(ctx, error)
    if isinstance(error, Unfit):
        try:
            error = await all_misfits(ctx, leaves, error)
        except (HTTPException, PeerError) as worse:
            error = worse
    return cast("Response | None", await ctx.site.rescue(ctx, error))


async def refused(ctx: Any, error: HTTPException) -> Response:
    """The answer to a refusal that is the app's own, and no handler's: what leads nowhere, a method that is not served."""
    return cast("Response | None", await ctx.site.rescue(ctx, error)) or answer_to(error)


_RAISED_IN = "__pagi_raised_in__"


def blame(site: object, error: Exception) -> None:
    """Notes on an error that leaves a mounted app that it was raised there: the innermost keeps it."""
    if not hasattr(error, _RAISED_IN):
        setattr(error, _RAISED_IN, site)


def last_answer(ctx: Any, error: Exception) -> Awaitable[Response | None]:
    """What an app itself says to an error that nobody caught: the mounted one that raised it, else one around it."""
    site = getattr(error, _RAISED_IN, ctx.site)
    return cast("Awaitable[Response | None]", site.last_answer(ctx, error))


def note_failure(ctx: Any, error: BaseException) -> None:
    """Keeps the first error for the cleanup to come. Where there is none, nothing is kept: an error holds frames, and they the context."""
    if ctx.exits and ctx.failure is None:
        ctx.failure = error
