"""WebSocket load: many connections, each with one message on its way. Echoes are counted by their bytes, not read."""

import asyncio
from array import array
from collections.abc import Sequence
from time import perf_counter
from typing import cast

from benchmarks.clients.frames import ACCEPT, handshake
from benchmarks.failure import RoundFailed
from benchmarks.measure import Meter, Sample

OPEN_SECONDS = 10.0
WARM_SECONDS = 0.2


class Tally:
    """What all connections of a round have seen together."""

    def __init__(self) -> None:
        self.echoes = 0
        self.waits = array("d")
        self.running = True
        self.failure: str | None = None


class EchoClient(asyncio.Protocol):
    """One connection: shakes hands, then sends its frame again each time the echo is complete."""

    def __init__(self, tally: Tally, opening: bytes, frame: bytes, reply_bytes: int) -> None:
        self.tally = tally
        self.opening = opening
        self.frame = frame
        self.reply_bytes = reply_bytes
        self.missing = 0
        self.sent_at = 0.0
        self.head = bytearray()
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        self.transport.write(self.opening)

    def data_received(self, data: bytes) -> None:
        if not self.opened.done():
            self.read_head(data)
            return
        self.missing -= len(data)
        if self.missing > 0:
            return
        tally = self.tally
        if self.missing < 0:
            tally.failure = f"an echo was {-self.missing} bytes longer than the message"
            self.transport.abort()
            return
        now = perf_counter()
        tally.echoes += 1
        tally.waits.append(now - self.sent_at)
        if tally.running:
            self.missing = self.reply_bytes
            self.sent_at = now
            self.transport.write(self.frame)

    def read_head(self, data: bytes) -> None:
        self.head += data
        if not self.head.endswith(b"\r\n\r\n"):
            return
        if self.head.startswith(b"HTTP/1.1 101 ") and ACCEPT in self.head:
            self.opened.set_result(None)
        else:
            self.opened.set_exception(RoundFailed(f"the handshake was answered with {bytes(self.head[:200])!r}"))

    def begin(self) -> None:
        self.missing = self.reply_bytes
        self.sent_at = perf_counter()
        self.transport.write(self.frame)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.tally.running:
            self.tally.failure = self.tally.failure or f"the server closed a WebSocket: {exc!r}"
        if not self.opened.done():
            self.opened.set_exception(RoundFailed(f"the server closed during the handshake: {exc!r}"))


def percentile_99(waits: Sequence[float]) -> float:
    """The 99th of a hundred, by nearest rank."""
    ranked = sorted(waits)
    return ranked[min(len(ranked) - 1, int(len(ranked) * 0.99))]


async def run_echo(port: int, path: str, *, frame: bytes, reply_bytes: int, connections: int, seconds: float, meter: Meter) -> Sample:
    """Keeps every connection echoing for some seconds; opening and a short warm-up are not measured.

    Raises:
        RoundFailed: a handshake was refused, a connection lost, or an echo had another length.
    """
    loop = asyncio.get_running_loop()
    tally = Tally()
    opening = handshake(port, path)
    clients: list[EchoClient] = []
    try:
        for _ in range(connections):
            _, client = await loop.create_connection(lambda: EchoClient(tally, opening, frame, reply_bytes), "127.0.0.1", port)
            clients.append(client)
        async with asyncio.timeout(OPEN_SECONDS):
            for outcome in await asyncio.gather(*(client.opened for client in clients), return_exceptions=True):
                if outcome is not None:
                    raise outcome
        for client in clients:
            client.begin()
        await asyncio.sleep(WARM_SECONDS)
        before = tally.echoes
        del tally.waits[:]
        meter.start()
        await asyncio.sleep(seconds)
        meter.stop()
        count = tally.echoes - before
        waits = tally.waits[:count]
    except TimeoutError:
        raise RoundFailed(f"{connections} handshakes were not answered within {OPEN_SECONDS:g} s")
    finally:
        tally.running = False
        for client in clients:
            client.transport.abort()
    if tally.failure is not None:
        raise RoundFailed(tally.failure)
    if not count:
        raise RoundFailed(f"no echo came within {seconds:g} s")
    return meter.sample(count, percentile_99(waits))
