"""What ended is forgotten: connections, exchanges, engines and tasks, however they ended."""

import gc
import logging
from collections import Counter
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from pagi.gateway import app as pagi_app
from tests.server.live import GET, Peer, Served, eventually, handshake, served
from tests.server.wire.client_frames import FIN, TEXT, frame

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("framing", "new_objects_alone")]

OURS = ("pagi.server.", "h2.", "wsproto.")
"""Where the classes of what is looked for come from."""
WISH = b"GET / HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n"
ROUNDS = 20
LIMIT = 1000


@pagi_app
async def app(scope: Any, receive: Any, send: Any) -> None:
    """Answers, fails, streams or talks, as the path and the kind say."""
    if scope["path"] == "/fails":
        raise ZeroDivisionError
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] == "websocket.receive":
            pass
    elif scope["type"] == "sse":
        await send({"type": "sse.start"})
        await send({"type": "sse.send", "data": "x"})
        await scope["pagi.connection"].disconnected()
    elif scope["path"] == "/waits":
        await scope["pagi.connection"].disconnected()
    else:
        send.full(200, [], b"hello")


async def answered(peer: Peer) -> None:
    assert (await peer.ask()).status == 200


async def failed(peer: Peer) -> None:
    assert (await peer.ask(GET.replace(b"/ ", b"/fails "))).status == 500


async def refused(peer: Peer) -> None:
    assert (await peer.ask(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (LIMIT + 1))).status == 413


async def deserted(peer: Peer) -> None:
    await peer.send(GET.replace(b"/ ", b"/waits "))
    await anyio.sleep(0.001)
    await peer.reset()


async def streamed(peer: Peer) -> None:
    await peer.send(WISH)
    await peer.until(b"data: x\n\n")
    await peer.reset()


async def spoke(peer: Peer) -> None:
    await handshake(peer)
    await peer.send(frame(FIN | TEXT, b"x"))
    await peer.reset()


async def spoke_nonsense(peer: Peer) -> None:
    await handshake(peer)
    await peer.send(frame(FIN | 3))
    await peer.rest()


VISITS = {visit.__name__: visit for visit in (answered, failed, refused, deserted, streamed, spoke, spoke_nonsense)}


def kept() -> Counter[str]:
    """How many objects of each class are still there."""
    gc.collect()
    return Counter(name for found in gc.get_objects() if (name := f"{type(found).__module__}.{type(found).__name__}").startswith(OURS))


async def visit(server: Served, name: str, times: int) -> None:
    for _ in range(times):
        async with server.peer() as peer:
            await VISITS[name](peer)


@pytest.fixture(autouse=True)
def no_log() -> Iterator[None]:
    """A kept line in the log keeps its traceback, and that all that had a part in it."""
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("name", VISITS)
async def test_nothing_is_kept_of_a_connection_that_ended(name: str) -> None:
    async with served(app, max_body_bytes=LIMIT) as server:
        await visit(server, name, 1)
        await anyio.sleep(0.05)
        before = kept()
        await visit(server, name, ROUNDS)
        await eventually(lambda: kept() <= before)


async def test_no_task_is_left_of_an_exchange_that_ended() -> None:
    async with served(app, max_body_bytes=LIMIT) as server:
        for name in VISITS:
            await visit(server, name, 1)
        await anyio.sleep(0.05)
        before = len(anyio.get_running_tasks())
        for name in VISITS:
            await visit(server, name, ROUNDS)
        await eventually(lambda: len(anyio.get_running_tasks()) <= before)
