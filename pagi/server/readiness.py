"""The one path that a server answers by itself: whether to send it new requests. Asked by load balancers and orchestrators."""

from collections.abc import Callable
from typing import Any

from pagi.gateway.types import AnyApp, Receive, Scope, Send

_HEADERS = [(b"content-type", b"text/plain; charset=utf-8"), (b"cache-control", b"no-store")]


def answering_readiness(app: AnyApp, path: str, is_ready: Callable[[], bool]) -> AnyApp:
    """`app`, but for GET and HEAD of `path`: 200 while `is_ready()`, else 503. With an empty path it is `app` itself."""
    if not path:
        return app

    async def answer(scope: Scope, receive: Receive, send: Send) -> Any:
        if scope["type"] not in ("http", "sse") or scope["path"] != path or scope["method"] not in ("GET", "HEAD"):
            return await app(scope, receive, send)
        status, body = (200, b"ready\n") if is_ready() else (503, b"closing\n")
        await send({"type": "http.response.start", "status": status, "headers": [*_HEADERS, (b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})
        return None

    return answer
