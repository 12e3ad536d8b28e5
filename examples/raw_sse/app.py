"""An echo as an event stream on the bare gateway: it says your words again and again, until you leave or the server ends.

Run it: `pagi run examples/raw_sse/app.py`, then `curl -N -H 'Accept: text/event-stream' 'localhost:8000?hello'`. What the
handles tell is printed.
"""

from itertools import count
from urllib.parse import unquote_plus

import anyio

import pagi.gateway
from pagi.gateway import ConnectionHandle, Receive, Scope, Send, TransportHandle


@pagi.gateway.app
async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "sse":
        if scope["type"] == "http":  # nobody asked for events
            await send({"type": "http.response.start", "status": 406, "headers": [(b"content-type", b"text/plain; charset=utf-8")]})
            await send({"type": "http.response.body", "body": b"Say `Accept: text/event-stream` to hear an echo.\n"})
        return

    words = unquote_plus(scope["query_string"].decode("ascii", "replace"))
    if not words:  # a stream that has not started may be declined like any request
        await send({"type": "http.response.start", "status": 400, "headers": [(b"content-type", b"text/plain; charset=utf-8")]})
        await send({"type": "http.response.body", "body": b"Say something after the question mark.\n"})
        return

    connection: ConnectionHandle = scope["pagi.connection"]
    connection.on_complete(lambda: print("complete", flush=True))
    connection.on_disconnect(lambda reason: print("disconnected:", reason, flush=True))
    transport: TransportHandle = scope["pagi.transport"]

    await send({"type": "sse.start", "headers": [(b"cache-control", b"no-cache")]})
    with anyio.CancelScope() as echoes:
        # The server will end: who listens ends itself. (Nobody listening, the server ends the stream in order, too.)
        connection.on_closing(lambda deadline: echoes.cancel())
        for n in count(1):
            if transport.is_writable:  # a client that reads too slowly misses echoes, instead of hearing them late
                await send({"type": "sse.send", "event": "echo", "id": str(n), "data": words})
            await anyio.sleep(1 / 4)
    await send({"type": "sse.send", "event": "goodbye", "data": "the server restarts", "retry": 1000})
