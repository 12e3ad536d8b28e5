"""Event-stream load: many subscribers, and a trigger that makes the server send each of them a whole burst."""

import asyncio
from array import array
from collections.abc import Callable
from time import perf_counter
from typing import cast

from benchmarks.clients.echo import percentile_99
from benchmarks.failure import RoundFailed
from benchmarks.measure import Meter, Sample

BURST_SECONDS = 30.0
LEAST_BURSTS = 2


def subscription(port: int, path: str) -> bytes:
    """A request for an event stream, as `EventSource` makes it."""
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: text/event-stream\r\nCache-Control: no-cache\r\n\r\n".encode()


def trigger_request(port: int) -> bytes:
    return f"POST /burst HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Length: 0\r\n\r\n".encode()


class Subscriber(asyncio.Protocol):
    """One stream. Counts events by the empty line that ends each: no chunk framing holds two bare LF in a row."""

    def __init__(self, request: bytes, on_complete: Callable[["Subscriber"], None], on_lost: Callable[[str], None]) -> None:
        self.request = request
        self.on_complete = on_complete
        self.on_lost = on_lost
        self.expected = 1  # the greeting
        self.seen = 0
        self.half = False
        self.head_seen = False
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        self.transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        if not self.head_seen:
            self.head_seen = True
            if not data.startswith(b"HTTP/1.1 200 "):
                self.on_lost(f"a subscription was answered with {data[:200]!r}")
                self.transport.abort()
                return
        ends = data.count(b"\n\n")
        if self.half and data.startswith(b"\n"):
            ends += 1
        self.half = data.endswith(b"\n") and not data.endswith(b"\n\n")
        self.seen += ends
        if ends and self.seen >= self.expected:
            self.on_complete(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.on_lost(f"the server closed a subscription: {exc!r}")


class Crowd:
    """All subscribers of a round, and the moment when the last of them has everything."""

    def __init__(self) -> None:
        self.members: list[Subscriber] = []
        self.waits = array("d")
        self.missing = 0
        self.began_at = 0.0
        self.closing = False
        self.failure: str | None = None
        self.all_complete: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def expect(self, more: int) -> asyncio.Future[None]:
        """Every member is to get `more` further events; the future is done when all have.

        Raises:
            RoundFailed: a member was lost since the last time.
        """
        if self.failure is not None:
            raise RoundFailed(self.failure)
        self.missing = len(self.members)
        self.began_at = perf_counter()
        self.all_complete = asyncio.get_running_loop().create_future()
        for member in self.members:
            member.expected = member.seen + more
        return self.all_complete

    def complete(self, member: Subscriber) -> None:
        if member.seen > member.expected:
            self.lost(f"a subscriber got {member.seen} events, {member.expected} were sent")
            return
        self.waits.append(perf_counter() - self.began_at)
        self.missing -= 1
        if self.missing == 0 and not self.all_complete.done():
            self.all_complete.set_result(None)

    def lost(self, reason: str) -> None:
        if self.closing:
            return
        self.failure = self.failure or reason
        if not self.all_complete.done():
            self.all_complete.set_exception(RoundFailed(self.failure))


async def run_bursts(port: int, path: str, *, subscribers: int, burst: int, seconds: float, meter: Meter) -> Sample:
    """Bursts one after the other for some seconds, at least `LEAST_BURSTS`; subscribing and the first burst are not measured.

    Raises:
        RoundFailed: a subscription was refused or closed, or a burst did not arrive whole within `BURST_SECONDS`.
    """
    loop = asyncio.get_running_loop()
    crowd = Crowd()
    request = subscription(port, path)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def one_burst() -> None:
        complete = crowd.expect(burst)
        writer.write(trigger_request(port))
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 "):
            raise RoundFailed(f"the trigger was answered with {head!r}")
        await complete
        await reader.read(1 << 16)  # the trigger's body, long since here

    try:
        greeted = crowd.all_complete
        crowd.missing = subscribers
        for _ in range(subscribers):
            _, member = await loop.create_connection(lambda: Subscriber(request, crowd.complete, crowd.lost), "127.0.0.1", port)
            crowd.members.append(member)
        async with asyncio.timeout(BURST_SECONDS):
            await greeted
            await one_burst()
        del crowd.waits[:]
        bursts = 0
        meter.start()
        until = perf_counter() + seconds
        while bursts < LEAST_BURSTS or perf_counter() < until:
            async with asyncio.timeout(BURST_SECONDS):
                await one_burst()
            bursts += 1
        meter.stop()
    except TimeoutError:
        raise RoundFailed(f"{crowd.missing} of {subscribers} subscribers still waited for events after {BURST_SECONDS:g} s")
    finally:
        crowd.closing = True
        writer.close()
        for member in crowd.members:
            member.transport.abort()
    return meter.sample(bursts * subscribers * burst, percentile_99(crowd.waits))
