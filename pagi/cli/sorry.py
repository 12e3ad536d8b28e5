"""What `pagi dev` serves while the application cannot be served: the error, to whoever asks, until the code changes."""

from typing import Any

import pagi.gateway
from pagi.gateway.types import AnyApp
from pagi.messages import debug_page, error_page
from pagi.messages.problems import problem
from pagi.messages.response import Response

STATUS = 503
TITLE = "The application could not be started"


def sorry(message: str, error: BaseException | None = None) -> AnyApp:
    """An application that answers every request with the message; with the whole `error`, where it may be seen."""

    @pagi.gateway.app
    async def answer(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close"})
        else:
            response = _response(scope, message, error)
            await response.deliver(send, response.status, response.raw_headers)

    return answer


def _response(scope: Any, message: str, error: BaseException | None) -> Response:
    accept = b",".join(value for name, value in scope["headers"] if name == b"accept").decode("latin-1")
    if not error_page.wants_html(accept):
        return problem(STATUS, message if debug_page.may_debug(scope) else None, {"cache-control": "no-store"})
    if not debug_page.may_debug(scope):
        document, policy = error_page.error_page(STATUS, TITLE, None), error_page.POLICY
    elif error is None:
        document, policy = error_page.error_page(STATUS, TITLE, message), error_page.POLICY
    else:
        document, policy = debug_page.debug_page(error, scope), debug_page.POLICY
    headers = {"cache-control": "no-store", "content-security-policy": policy}
    return Response(document, status=STATUS, headers=headers, content_type="text/html; charset=utf-8")


async def _live(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})
