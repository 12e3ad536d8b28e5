"""An echo over WebSocket on the bare gateway: text as text, bytes as bytes, and a goodbye when the server ends.

Run it: `pagi run examples/raw_websocket/app.py`, then `python -m websockets ws://localhost:8000`. What the handles tell is printed.
"""

import anyio

import pagi.gateway
from pagi.gateway import ConnectionHandle, Receive, Scope, Send, TransportHandle


@pagi.gateway.app
async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] != "websocket":
        if scope["type"] in ("http", "sse"):
            await send({"type": "http.response.start", "status": 426, "headers": [(b"upgrade", b"websocket")]})
            await send({"type": "http.response.body", "body": b"This is a WebSocket.\n"})
        return

    connection: ConnectionHandle = scope["pagi.connection"]
    connection.on_disconnect(lambda reason: print("disconnected:", reason, flush=True))

    # `send` waits while the client reads too slowly, so nothing piles up here. This only watches it.
    transport: TransportHandle = scope["pagi.transport"]
    transport.on_high_water(lambda: print(f"waiting: {transport.buffered_amount} bytes unsent", flush=True))

    await receive()  # websocket.connect
    await send({"type": "websocket.accept"})
    with anyio.CancelScope() as talk:
        # The server will end: who listens ends itself. (Nobody listening, the server closes with 1001 as well.)
        connection.on_closing(lambda deadline: talk.cancel())
        while (event := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": event.get("text"), "bytes": event.get("bytes")})
    if talk.cancelled_caught:
        await send({"type": "websocket.send", "text": "goodbye"})
        await send({"type": "websocket.close", "code": 1001, "reason": "the server restarts"})
