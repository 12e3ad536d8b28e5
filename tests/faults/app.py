"""What is attacked: a raw application of every kind that tells what is alive in its process. Started as a file by `pagi run`."""

import gc
import json
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import anyio

from pagi.gateway import Reason
from pagi.gateway import app as pagi_app

CHUNK = b"x" * 65_536
ALIVE = ("Opening", "Connection", "HTTPExchange", "WebSocketExchange", "ServedStream", "ProtocolLine", "SocketLine", "Inbox")
"""Classes of the server that live for one connection or exchange."""

ENDS: Counter[str] = Counter()
"""How exchanges ended early, as kind and reason."""

running = 0


async def answer(send: Any, body: bytes) -> None:
    """A whole plain answer."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


async def echo(receive: Any, send: Any) -> None:
    """A WebSocket that says what it hears."""
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        await send({**event, "type": "websocket.send"})


async def ticks(receive: Any, send: Any) -> None:
    """An event stream that says one word and then waits for its end."""
    body = await whole_body(receive)
    await send({"type": "sse.start"})
    await send({"type": "sse.send", "data": f"hello {body}"})
    await receive()


async def stream(send: Any) -> None:
    """A stream without end."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        await send({"type": "http.response.body", "body": CHUNK, "more_body": True})


async def whole_body(receive: Any) -> int:
    """Takes a body, and says how large it was."""
    size = 0
    while (event := await receive())["type"] != "http.disconnect":
        size += len(event.get("body", b""))
        if not event.get("more_body"):
            break
    return size


async def wait(receive: Any, send: Any) -> None:
    """An answer that has begun and waits for the end of its client."""
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"so far", "more_body": True})
    await receive()


async def send_file(send: Any, size: int) -> None:
    """A file that is made, opened and read now."""
    with tempfile.NamedTemporaryFile() as file:
        file.truncate(size)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % size)]})
        await send({"type": "http.response.body", "file": file.name})


async def alive() -> dict[str, Any]:
    """What lives in this process beside the exchange that asks."""
    await anyio.sleep(0)
    gc.collect()
    found = Counter(type(thing).__name__ for thing in gc.get_objects() if str(type(thing).__module__).startswith("pagi.server"))
    return {
        "running": running - 1,
        "tasks": len(anyio.get_running_tasks()),
        "objects": {name: found[name] for name in ALIVE if found[name]},
        "ends": dict(ENDS),
    }


async def live(receive: Any, send: Any) -> None:
    """The lifespan. FAULTS_DESCRIPTORS limits what the process may open from now on; its end writes the file FAULTS_LAST_WORD."""
    await receive()
    if "FAULTS_DESCRIPTORS" in os.environ:
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (int(os.environ["FAULTS_DESCRIPTORS"]), most))
    gc.collect()
    gc.freeze()  # what is here before anybody was served need not be looked through each time
    await send({"type": "lifespan.startup.complete"})
    await receive()
    if "FAULTS_LAST_WORD" in os.environ:
        Path(os.environ["FAULTS_LAST_WORD"]).write_text("the lifespan ended")
    await send({"type": "lifespan.shutdown.complete"})


def ended(kind: str, reason: Reason) -> None:
    """An exchange ended early."""
    ENDS[f"{kind} {reason.value}"] += 1


async def serve(scope: Any, receive: Any, send: Any) -> None:
    """All of it, by kind and path."""
    scope["pagi.connection"].on_disconnect(partial(ended, scope["type"]))
    if scope["type"] == "websocket":
        await echo(receive, send)
        return
    if scope["type"] == "sse":
        await ticks(receive, send)
        return
    match scope["path"]:
        case "/stream":
            await stream(send)
        case "/body":
            await answer(send, b"%d" % await whole_body(receive))
        case "/file":
            await send_file(send, int(scope["query_string"]))
        case "/wait":
            await wait(receive, send)
        case "/fail":
            raise RuntimeError("as asked" + "." * int(scope["query_string"] or 0))
        case "/fail-late":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"so far", "more_body": True})
            raise RuntimeError("as asked, late")
        case "/nothing":
            return
        case "/stop":  # the loop, and with it everybody
            time.sleep(float(scope["query_string"]))
            await answer(send, b"slept")
        case "/say":
            print(scope["query_string"].decode(), file=sys.stderr, flush=True)
            await answer(send, b"said")
        case "/alive":
            await answer(send, json.dumps(await alive()).encode())
        case _:
            await answer(send, b"hello")


@pagi_app
async def app(scope: Any, receive: Any, send: Any) -> None:
    """Counts who runs."""
    global running
    if scope["type"] == "lifespan":
        await live(receive, send)
        return
    running += 1
    try:
        await serve(scope, receive, send)
    finally:
        running -= 1
