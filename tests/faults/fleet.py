"""Slow clients by the hundred, in a process of their own: heads that drip, bodies that stall, readers that stop reading.

Run as a file: `fleet.py PORT SECONDS KIND=COUNT ...` connects them all, says `ready`, and ends with one line of JSON once all were
ended by the server, or after SECONDS. It imports nothing that would have to be found first.
"""

import heapq
import json
import select
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOM_SECONDS = 30.0
"""What the process may take beside its own time."""
DRIP_SECONDS = 1.0
HEAD = b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "
BODY = b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nsome of it"
READ = b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"
SMALL_BUFFER = 4096
STILL_OPEN = "still open"
RESET = "reset"
CLOSED = "closed"


class Ends(NamedTuple):
    """What became of the clients of one kind: how many met each end, and the seconds of the first and of the last."""

    ends: dict[str, int]
    first: float
    last: float

    def __str__(self) -> str:
        ends = ", ".join(f"{count} {end}" for end, count in self.ends.items())
        return f"{ends}, after {self.first:.2f} to {self.last:.2f} s"


class Fleet:
    """A running fleet, from outside."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def wait(self, seconds: float) -> dict[str, Ends]:
        """Waits until all have ended, and says how."""
        line, _ = self._process.communicate(timeout=seconds + ROOM_SECONDS)
        assert self._process.returncode == 0, "the fleet failed: its words are above"
        return {kind: Ends(**ends) for kind, ends in json.loads(line).items()}


@contextmanager
def slow_clients(port: int, seconds: float, **counts: int) -> Generator[Fleet]:
    """Holds `counts` of clients, by kind (`head`, `body`, `read`), against the server on `port` for at most `seconds`."""
    kinds = [f"{kind}={count}" for kind, count in counts.items()]
    command = [sys.executable, "-S", "-E", str(Path(__file__)), str(port), str(seconds), *kinds]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield Fleet(process)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


class Slow:
    """One slow client."""

    def __init__(self, port: int, kind: str) -> None:
        self.kind = kind
        self.socket = socket.socket()
        if kind == "read":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
            # As over Ethernet. For loopback's own segments of 64 KiB the kernel keeps 4 MiB a socket: filling them would be all we measure.
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1460)
        self.socket.settimeout(ROOM_SECONDS)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setblocking(False)
        self.began = time.monotonic()
        self.sent = 0
        self.seen = b""
        self.end = STILL_OPEN
        self.seconds = 0.0
        if kind != "head":
            self.socket.send(BODY if kind == "body" else READ)

    @property
    def watched(self) -> int:
        """What to wait for. Who does not read hears of a reset alone, and of that always."""
        return 0 if self.kind == "read" else select.POLLIN

    def drip(self) -> None:
        """One more byte of a head that never ends."""
        try:
            self.socket.send(HEAD[self.sent : self.sent + 1] or b"a")
            self.sent += 1
        except OSError:
            self.ended(RESET)

    def look(self) -> None:
        """Something came: an answer, the end, or a reset."""
        try:
            more = b"" if self.kind == "read" else self.socket.recv(65536)
            if self.kind == "read":
                error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                self.ended(RESET if error else CLOSED)
                return
        except OSError:
            more = b""
        self.seen += more
        if not more:
            status = self.seen.split(b" ", 2)[1].decode() if self.seen.startswith(b"HTTP/1.1 ") else CLOSED
            self.ended(status)

    def ended(self, end: str) -> None:
        if self.end == STILL_OPEN:
            self.end, self.seconds = end, time.monotonic() - self.began
        self.socket.close()


def told(clients: list[Slow], kinds: list[str]) -> Iterator[tuple[str, Ends]]:
    """The outcome, by kind."""
    for kind in kinds:
        ours = [client for client in clients if client.kind == kind]
        ends: dict[str, int] = {}
        for client in ours:
            ends[client.end] = ends.get(client.end, 0) + 1
        yield kind, Ends(ends, min(client.seconds for client in ours), max(client.seconds for client in ours))


def main(port: int, seconds: float, counts: dict[str, int]) -> None:
    """Connects all, waits for their ends, and prints."""
    clients = [Slow(port, kind) for kind, count in counts.items() for _ in range(count)]
    by_descriptor = {client.socket.fileno(): client for client in clients}
    poll = select.poll()
    for client in clients:
        poll.register(client.socket, client.watched)
    heads = [client for client in clients if client.kind == "head"]
    now = time.monotonic()
    due = [(now + DRIP_SECONDS * number / len(heads), number) for number in range(len(heads))]
    print("ready", flush=True)
    until = now + seconds
    while by_descriptor and (now := time.monotonic()) < until:
        wait = min(due[0][0] if due else until, until) - now
        for descriptor, _ in poll.poll(max(1000 * wait, 0)):
            client = by_descriptor[descriptor]
            client.look()
            if client.end != STILL_OPEN:
                poll.unregister(descriptor)
                del by_descriptor[descriptor]
        while due and due[0][0] <= time.monotonic():
            _, number = heapq.heappop(due)
            if heads[number].end == STILL_OPEN:
                heads[number].drip()
                heapq.heappush(due, (time.monotonic() + DRIP_SECONDS, number))
    print(json.dumps({kind: ends._asdict() for kind, ends in told(clients, list(counts))}))


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), {kind: int(count) for kind, _, count in (word.partition("=") for word in sys.argv[3:])})
