"""Readers of events and WebSockets by the hundred, in a process of their own: each comes back whenever it is sent away.

Run as a file: `live_fleet.py PORT READERS SOCKETS` says `ready` when all are connected, and ends with one line of JSON when every
reader has heard the last event, whose word is `the end`. It imports nothing that would have to be found first.
"""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

AGAIN_SECONDS = 0.05
"""Before another attempt where nobody listened."""
TALK_SECONDS = 0.5
"""Between two messages of a WebSocket."""
PATIENCE_SECONDS = 30.0
LAST = "the end"
EVENTS = "GET /events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nLast-Event-ID: {}\r\n\r\n"
ECHO = (
    b"GET /echo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
)
MASK = b"\0\0\0\0"
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


class Outcome(NamedTuple):
    """What all of them met together."""

    events: int
    """Events that the readers heard."""
    wrong: list[str]
    """What came twice, out of order, or not at all."""
    streams: dict[str, int]
    """How event streams ended, and how often."""
    sockets: dict[str, int]
    """How WebSockets ended, and how often: the code of the server's Close, or that there was none."""
    echoes: int


class LiveFleet:
    """A running fleet, from outside."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def wait(self, seconds: float) -> Outcome:
        """Waits until every reader has seen the last event, and says how it went."""
        line, _ = self._process.communicate(timeout=seconds)
        assert self._process.returncode == 0, "the fleet failed: its words are above"
        return Outcome(**json.loads(line))


@contextmanager
def live_clients(port: int, *, readers: int, sockets: int) -> Generator[LiveFleet]:
    """Holds them against the server on `port`, from when all are connected."""
    command = [sys.executable, "-S", "-E", str(Path(__file__)), *map(str, (port, readers, sockets))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield LiveFleet(process)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


class Tally:
    """What was met so far."""

    def __init__(self, expected: int) -> None:
        self.events = self.echoes = 0
        self.wrong: list[str] = []
        self.streams: Counter[str] = Counter()
        self.sockets: Counter[str] = Counter()
        self.ready = asyncio.Event()
        self.over = asyncio.Event()
        self._expected = expected

    def connected(self) -> None:
        """One more is there for the first time."""
        self._expected -= 1
        if not self._expected:
            self.ready.set()


async def body_of(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """The chunks of an answer, up to its proper end."""
    while size := int(await reader.readuntil(b"\r\n"), 16):
        yield (await reader.readexactly(size + 2))[:-2]
    await reader.readexactly(2)


async def events_of(reader: asyncio.StreamReader) -> AsyncIterator[dict[str, str]]:
    """The events of a stream, each whole."""
    waiting = b""
    async for chunk in body_of(reader):
        *whole, waiting = (waiting + chunk).split(b"\n\n")
        for event in whole:
            yield dict(line.split(": ", 1) for line in event.decode().splitlines() if not line.startswith(":"))


class Reader:
    """One reader of events, as a browser's EventSource is."""

    def __init__(self, port: int, tally: Tally) -> None:
        self.port, self.tally = port, tally
        self.seen = 0
        self.is_done = False
        self.again = AGAIN_SECONDS
        self.is_new = True

    async def run(self) -> None:
        """Reads until the last event, over as many connections as it takes."""
        while not self.is_done:
            self.tally.streams[await self.once()] += 1
            if not self.is_done:
                await asyncio.sleep(self.again)

    async def once(self) -> str:
        """One connection. Returns how it ended."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return "nobody listened"
        try:
            writer.write(EVENTS.format(self.seen).encode())
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200 "):
                return head.split(b"\r\n")[0].decode()
            if self.is_new:
                self.is_new = False
                self.tally.connected()
            async for event in events_of(reader):
                self.again = int(event["retry"]) / 1000 if "retry" in event else self.again
                if "id" in event:
                    self.hear(event)
                if self.is_done:
                    return "all was heard"
            return "ended"
        except (OSError, asyncio.IncompleteReadError):
            return "cut"
        finally:
            writer.close()

    def hear(self, event: dict[str, str]) -> None:
        """One event."""
        number = int(event["id"])
        self.is_done = event["data"] == LAST
        if number != self.seen + 1 or (event["data"] != f"event {number}" and not self.is_done):
            self.tally.wrong.append(f"event {number} ({event['data']!r}) after {self.seen}")
        self.seen = number
        self.tally.events += 1


class Socket:
    """One WebSocket that talks a little."""

    def __init__(self, port: int, tally: Tally) -> None:
        self.port, self.tally = port, tally
        self.is_new = True

    async def run(self) -> None:
        """Comes back until all is over."""
        while not self.tally.over.is_set():
            self.tally.sockets[await self.once()] += 1
            await asyncio.sleep(AGAIN_SECONDS)

    async def once(self) -> str:
        """One session. Returns how it ended."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return "nobody listened"
        talking: asyncio.Task[None] | None = None
        try:
            writer.write(ECHO)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 101 "):
                return head.split(b"\r\n")[0].decode()
            if self.is_new:
                self.is_new = False
                self.tally.connected()
            talking = asyncio.create_task(self.talk(writer))
            return await self.listen(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            return "cut without a Close"
        finally:
            if talking is not None:
                talking.cancel()
            writer.close()

    async def talk(self, writer: asyncio.StreamWriter) -> None:
        """Says a word now and then, and takes its leave when all is over."""
        while not self.tally.over.is_set():
            writer.write(bytes([0x80 | TEXT, 0x80 | 4]) + MASK + b"word")
            try:
                await asyncio.wait_for(self.tally.over.wait(), TALK_SECONDS)
            except TimeoutError:
                continue
        writer.write(bytes([0x80 | CLOSE, 0x80 | 2]) + MASK + (1000).to_bytes(2, "big"))

    async def listen(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        """Hears the server until its Close."""
        while True:
            first, size = await reader.readexactly(2)
            payload = await reader.readexactly(size)
            opcode = first & 0x0F
            if opcode == CLOSE:
                writer.write(bytes([0x80 | CLOSE, 0x80 | 2]) + MASK + payload[:2])
                return str(int.from_bytes(payload[:2], "big"))
            if opcode == PING:
                writer.write(bytes([0x80 | PONG, 0x80 | size]) + MASK + payload)
            else:
                self.tally.echoes += 1


async def main(port: int, readers: int, sockets: int) -> None:
    """Connects all, waits for the last event, and prints."""
    tally = Tally(readers + sockets)
    async with asyncio.TaskGroup() as group:
        reading = [group.create_task(Reader(port, tally).run()) for _ in range(readers)]
        for _ in range(sockets):
            group.create_task(Socket(port, tally).run())
        async with asyncio.timeout(PATIENCE_SECONDS):
            await tally.ready.wait()
        print("ready", flush=True)
        await asyncio.wait(reading)
        tally.over.set()
    print(json.dumps(Outcome(tally.events, tally.wrong[:20], tally.streams, tally.sockets, tally.echoes)._asdict()))


if __name__ == "__main__":
    asyncio.run(main(*map(int, sys.argv[1:])))
