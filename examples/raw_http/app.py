"""An echo over HTTP on the bare gateway: the request's body comes back as it arrives, whatever its size.

Run it: `pagi run examples/raw_http/app.py`, then `curl -T README.md localhost:8000`. What the handles tell is printed.
"""

import anyio

import pagi.gateway
from pagi.gateway import ConnectionHandle, Receive, Scope, Send, TransportHandle


@pagi.gateway.app
async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] not in ("http", "sse"):  # a request that accepts event streams is `sse`: plain http events answer it, too
        return

    # How it ends: exactly one of these two is called, once.
    connection: ConnectionHandle = scope["pagi.connection"]
    connection.on_complete(lambda: print("complete", flush=True))
    connection.on_disconnect(lambda reason: print("disconnected:", reason, flush=True))

    # The server will end, and by when. A request may go on until then; the reason to listen is to hurry.
    connection.on_closing(lambda deadline: print(f"closing within {deadline - anyio.current_time():.0f} s", flush=True))

    # `send` waits while the client reads too slowly, so nothing piles up here. These only watch it.
    transport: TransportHandle = scope["pagi.transport"]
    transport.on_high_water(lambda: print(f"waiting: {transport.buffered_amount} bytes unsent", flush=True))
    transport.on_drain(lambda: print(f"going on: {transport.buffered_amount} bytes unsent", flush=True))

    kind = next((value for name, value in scope["headers"] if name == b"content-type"), b"application/octet-stream")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
    more = True
    while more:
        event = await receive()
        if event["type"].endswith(".disconnect"):
            return
        more = event.get("more_body", False)
        await send({"type": "http.response.body", "body": event.get("body", b""), "more_body": more})
