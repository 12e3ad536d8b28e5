"""The ASGI side of a WSGI application: which scopes it can serve, and the threads it is called in."""

from wsgiref.types import WSGIApplication

import anyio
import anyio.to_thread
from anyio.lowlevel import RunVar

from pagi.gateway.types import Receive, Scope, Send
from pagi.gateway.wsgi.call import Call

DEFAULT_THREADS = 40
"""As many as a pagi application has for its plain functions."""
NO_WEBSOCKETS = b"this is a WSGI application, and WSGI has no WebSockets\n"


class WSGI:
    """A WSGI application (PEP 3333) as an ASGI one, to be served or mounted:

        app.mount("/legacy", WSGI(flask_app))

    Each request is answered in a thread, at most `threads` of them at once; more requests wait. Body and answer are streamed, and
    a thread waits while its client is slow to send or to read. WebSockets are refused with 501, event streams are ordinary answers.
    """

    def __init__(self, app: WSGIApplication, *, threads: int = DEFAULT_THREADS) -> None:
        self._app = app
        self._threads = threads
        self._is_worker = False
        """Other processes serve the same application: the lifespan was told so."""
        self._limiter: RunVar[anyio.CapacityLimiter] = RunVar("pagi.wsgi.threads")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] == "http":
            call = Call(self._app, scope, receive, send, multiprocess=self._is_worker)
            await call.prepare()
            await call.finish(await anyio.to_thread.run_sync(call.run, abandon_on_cancel=True, limiter=self._threads_of_this_loop()))
        elif scope["type"] == "lifespan":
            self._is_worker = bool(scope.get("pagi", {}).get("is_worker"))
            await _live(receive, send)
        elif scope["type"] == "websocket":
            await _refuse(scope, receive, send)
        else:
            raise RuntimeError(f"WSGI knows no scope of type {scope['type']!r}")

    def _threads_of_this_loop(self) -> anyio.CapacityLimiter:
        try:
            return self._limiter.get()
        except LookupError:
            limiter = anyio.CapacityLimiter(self._threads)
            self._limiter.set(limiter)
            return limiter


async def _live(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close"})
        return
    await send({"type": "websocket.http.response.start", "status": 501, "headers": [(b"content-type", b"text/plain; charset=utf-8")]})
    await send({"type": "websocket.http.response.body", "body": NO_WEBSOCKETS})
