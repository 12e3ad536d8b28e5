"""Ready-made applications: they answer requests with values, below a mount of ours as well as alone under any ASGI server."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Never

import msgspec

from pagi.context.answering import answer, run_background
from pagi.context.http import HTTPContext
from pagi.context.pages import suited
from pagi.gateway.asgi import as_asgi, plain_scope
from pagi.gateway.types import Receive, Scope, Send
from pagi.http.errors import AppError, PeerError
from pagi.messages.problems import HTTPException, answer_to
from pagi.messages.response import Response


class ReadyApp(ABC):
    """An application that answers http requests and serves no other kind. A subclass writes `respond`.

    Mounted on an App or Router, `respond` is the innermost layer, and the middleware around it gets the answer as a value that
    it may edit or replace. Anywhere else the object is an ordinary ASGI application: it makes its own context and sends what
    `respond` gives. WebSockets are refused, and a request for an event stream is an http request like any other.
    """

    @abstractmethod
    async def respond(self, ctx: HTTPContext[Any]) -> Response:
        """The answer to one request. The `root_path` of its scope is where this application is mounted.

        Raises:
            HTTPException: it is refused.
            PeerError: the client made a mistake.
        """

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        kind = scope["type"]
        if kind in ("http", "sse"):
            scope, receive = plain_scope(scope, receive)
            await as_asgi(self._serve, settles_kind=True)(scope, receive, send)
        elif kind == "websocket":
            await send({"type": "websocket.close"})  # before it was accepted: 403
        elif kind == "lifespan":
            await _live(receive, send)
        else:
            raise AppError(f"{type(self).__name__} serves http, not the scope type {kind!r}")

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        ctx: HTTPContext[Any] = HTTPContext(scope, receive, send, {}, _NO_SITE)
        try:
            response = await self.respond(ctx)
        except Exception as error:
            refusal = await _NO_SITE.rescue(ctx, error)
            if refusal is None:
                raise
            response = refusal
        await answer(ctx, response)
        await run_background(ctx)


class _NoSite:
    """What a context finds where no App is around it."""

    def __init__(self) -> None:
        self.encode: Callable[[Any], bytes] = msgspec.json.encode
        self.debug = False

    def url_for(self, name: str, root_path: str, values: Mapping[str, Any], /) -> Never:
        raise AppError(f"there is no route {name!r} here: the application runs without an App around it")

    async def rescue(self, ctx: Any, error: Exception, /) -> Response | None:
        return suited(ctx, answer_to(error)) if isinstance(error, (HTTPException, PeerError)) else None

    async def last_answer(self, ctx: Any, error: Exception, /) -> Response | None:
        return None

    async def resolve(self, ctx: Any, wanted: Any, /) -> Any:
        raise AppError(f"nothing provides {wanted!r} here: the application runs without an App around it")


_NO_SITE = _NoSite()


async def _live(receive: Receive, send: Send) -> None:
    """A lifespan of which nothing begins and nothing ends."""
    while True:
        event = await receive()
        await send({"type": f"{event['type']}.complete"})
        if event["type"] == "lifespan.shutdown":
            return
