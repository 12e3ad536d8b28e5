"""One call of a WSGI application: the half in the thread, and what the loop does for it."""

import threading
from io import BufferedReader, BytesIO
from typing import Any, BinaryIO
from wsgiref.types import WSGIApplication

import anyio.from_thread
from anyio.lowlevel import EventLoopToken, current_token

from pagi.gateway.reasons import ClientGone
from pagi.gateway.types import HeaderList, Message, Receive, Scope, Send
from pagi.gateway.wsgi.answer import Answer, Whole, with_length
from pagi.gateway.wsgi.body import BUFFER_BYTES, BodyFile
from pagi.gateway.wsgi.environ import environ_of

ANNOUNCE_BODY = frozenset((b"content-length", b"transfer-encoding"))
"""Without one of these a request of HTTP/1.1 has no body (RFC 9112 section 6.3)."""


class Call:
    """The application, called once. `run` is for a thread; everything else happens in the loop."""

    def __init__(self, app: WSGIApplication, scope: Scope, receive: Receive, send: Send, *, multiprocess: bool) -> None:
        self._app = app
        self._multiprocess = multiprocess
        self._scope = scope
        self._receive = receive
        self._send = send
        self._names = {name for name, _ in scope["headers"]}
        self._first: Message | None = None
        self._loop = current_token()
        self._thread = 0

    async def prepare(self) -> None:
        """Waits for the beginning of a body that was announced: a client that is slow to send it holds up no thread."""
        # Who asked for a 100 waits until the application reads: it may refuse without.
        if self._names & ANNOUNCE_BODY and b"expect" not in self._names:
            self._first = await self._receive()

    async def finish(self, whole: Whole | None) -> None:
        """Sends what `run` returned."""
        if whole is None:
            return
        full = getattr(self._send, "full", None)
        if full is not None:
            full(*whole)
        else:
            await self._say(_events(*whole))

    def run(self) -> Whole | None:
        """Calls the application, hands its answer over, and closes what it returned, whatever happened. What it returns is for `finish`.

        Raises:
            WSGIMistake: the application broke PEP 3333.
            ClientGone: the client left.
            Exception: whatever the application raised.
        """
        self._thread = threading.get_ident()
        self._check_client()
        body, reader = self._body()
        answer = Answer(
            self._deliver,
            self._deliver_whole,
            self._check_client,
            is_head=self._scope["method"] == "HEAD",
            sends_files="pagi" in self._scope,
        )
        blocks: Any = None
        try:
            blocks = self._app(environ_of(self._scope, reader, multiprocess=self._multiprocess), answer.start_response)
            whole = answer.send_all(blocks)
            if body is not None:
                body.is_over = True  # what `close` still reads is nothing, rather than a client that left
            return whole
        finally:
            close = getattr(blocks, "close", None)
            if close is not None:
                close()

    def _body(self) -> tuple[BodyFile | None, BinaryIO]:
        if self._scope["http_version"] in ("1.0", "1.1") and not self._names & ANNOUNCE_BODY:
            return None, BytesIO()
        body = BodyFile(self._first, lambda: anyio.from_thread.run(self._next, token=self._token()))
        return body, BufferedReader(body, BUFFER_BYTES)

    def _token(self) -> EventLoopToken | None:
        # The application may read and write in threads of its own: Django runs an `async` view in one. What is done from ours ends with
        # the request's cancellation, and without a token.
        return None if threading.get_ident() == self._thread else self._loop

    async def _next(self) -> Message:
        return await self._receive()

    def _check_client(self) -> None:
        handle = self._scope.get("pagi.connection")
        reason = handle.disconnect_reason if handle is not None else None
        if reason is not None:
            raise ClientGone(reason)

    def _deliver(self, events: list[Message]) -> None:
        anyio.from_thread.run(self._say, events, token=self._token())

    def _deliver_whole(self, status: int, headers: HeaderList, body: bytes) -> None:
        full = getattr(self._send, "full", None)
        if full is not None:
            anyio.from_thread.run_sync(full, status, headers, body, token=self._token())
        else:
            self._deliver(_events(status, headers, body))

    async def _say(self, events: list[Message]) -> None:
        for event in events:
            await self._send(event)


def _events(status: int, headers: HeaderList, body: bytes) -> list[Message]:
    return [
        {"type": "http.response.start", "status": status, "headers": with_length(status, headers, body)},
        {"type": "http.response.body", "body": body, "more_body": False},
    ]
