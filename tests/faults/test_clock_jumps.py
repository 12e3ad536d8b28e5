"""Clocks that jump: the wall clock moves no deadline, and a process that stood still blames nobody for it."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import anyio
import pytest

from pagi.http.dates import http_date
from tests.clock import Clock
from tests.faults.conftest import APP
from tests.faults.conversations import WEBSOCKET
from tests.server.child import Child, read_until, running
from tests.server.live import PATIENCE_SECONDS, served
from tests.server.wire.client_frames import FIN, PONG, TEXT, frame

DEADLINE = 1.0
STOP = 2.2
"""Longer than any deadline with what the sweep may add to it: whoever is judged by the clock alone is over it."""
FLAGS = [
    "--timeout-head", "--timeout-body", "--timeout-write", "--timeout-keep-alive", "--ws-ping-interval", "--ws-ping-timeout",
]  # fmt: skip
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Member:
    """A client with two parts: what it says before the server stands still, and what meanwhile."""

    def __init__(self, child: Child) -> None:
        self.client = child.connect()

    def before(self) -> None:
        """Begins."""

    def meanwhile(self) -> None:
        """The server stands still."""

    def outcome(self) -> str:
        """What it has of it."""
        return self.client.recv(4096).split(b"\r\n")[0].decode()


class Split(Member):
    """Says one part before and the other meanwhile."""

    def __init__(self, child: Child, first: bytes, then: bytes) -> None:
        super().__init__(child)
        self.first, self.then = first, then

    def before(self) -> None:
        self.client.sendall(self.first)

    def meanwhile(self) -> None:
        self.client.sendall(self.then)


class Idle(Member):
    """Has an answer already and asks again."""

    def before(self) -> None:
        self.client.sendall(GET)
        read_until(self.client, b"hello")

    def meanwhile(self) -> None:
        self.client.sendall(GET)


class Reader(Member):
    """Reads of an endless stream what it can get; afterwards more has to come than the server had in hand."""

    def before(self) -> None:
        self.client.sendall(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")

    def meanwhile(self) -> None:
        self.client.settimeout(0.3)
        self.size = 0
        try:
            while more := len(self.client.recv(1 << 20)):
                self.size += more
        except TimeoutError:
            pass  # all that the system had for it is read

    def outcome(self) -> str:
        self.client.settimeout(5)
        size = 0
        while size < self.size:
            more = len(self.client.recv(1 << 20))
            if not more:
                return "cut"
            size += more
        return "more"


class Ponger(Member):
    """A WebSocket that answers its pings, the first of them only when the server stands still."""

    def before(self) -> None:
        self.client.sendall(WEBSOCKET)
        read_until(self.client, b"\x89\x00")

    def meanwhile(self) -> None:
        self.client.sendall(frame(FIN | PONG))

    def outcome(self) -> str:
        until = time.monotonic() + 2 * DEADLINE
        while time.monotonic() < until:
            data = self.client.recv(4096)
            if not data:
                return "closed"
            self.client.sendall(frame(FIN | PONG) * data.count(b"\x89\x00"))
        self.client.sendall(frame(FIN | TEXT, b"still here"))
        return "echo" if b"still here" in self.client.recv(4096) else "closed"


MEMBERS: dict[str, tuple[Callable[[Child], Member], str]] = {
    "who answered its ping": (Ponger, "echo"),
    "who sent the rest of its head": (lambda child: Split(child, GET[:20], GET[20:]), "HTTP/1.1 200 OK"),
    "who sent the rest of its body": (
        lambda child: Split(child, b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe", b"llo"),
        "HTTP/1.1 200 OK",
    ),
    "who had not said anything": (lambda child: Split(child, b"", GET), "HTTP/1.1 200 OK"),
    "who had not said anything and did not": (lambda child: Split(child, b"", b""), "HTTP/1.1 408 Request Timeout"),
    "who sent no more of its head": (lambda child: Split(child, GET[:20], b""), "HTTP/1.1 408 Request Timeout"),
    "who was idle": (Idle, "HTTP/1.1 200 OK"),
    "who read": (Reader, "more"),
}


def fate(member: Member) -> str:
    """What became of it, whatever that is."""
    try:
        return member.outcome()
    except OSError as error:
        return type(error).__name__


@pytest.fixture(scope="module")
def outcomes(loop: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What became of each member when the whole process stood still, as in a stopped machine or under a handler that blocks."""
    flags = [word for flag in FLAGS for word in (flag, str(DEADLINE))]
    members: dict[str, Member] = {}
    with (
        running(tmp_path_factory.mktemp(loop), APP, "--loop", loop, *flags) as child,
        ExitStack() as opened,
        ThreadPoolExecutor(len(MEMBERS)) as each,
    ):
        for name, (make, _) in MEMBERS.items():
            members[name] = make(child)
            opened.enter_context(members[name].client)
            members[name].before()
        stop = opened.enter_context(child.connect())
        stop.sendall(b"GET /stop?%f HTTP/1.1\r\nHost: x\r\n\r\n" % STOP)
        time.sleep(0.1)
        for member in members.values():
            member.meanwhile()
        read_until(stop, b"slept")
        # Side by side: who waits for its 408 is not to keep another from its pongs.
        return dict(zip(members, each.map(fate, members.values()), strict=True))


@pytest.mark.parametrize("name", MEMBERS)
def test_nobody_is_blamed_for_a_process_that_stood_still(name: str, outcomes: dict[str, str]) -> None:
    assert outcomes[name] == MEMBERS[name][1]


# ---- the wall clock


async def hello(scope: Any, receive: Any, send: Any) -> None:
    send.full(200, [], b"hello")


@pytest.mark.anyio
@pytest.mark.parametrize("seconds", [3600, -3600])
async def test_a_jump_of_the_wall_clock_moves_no_deadline_and_shows_in_the_date(seconds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    wall = Clock()
    monkeypatch.setattr("time.time", wall)
    began = anyio.current_time()
    async with served(hello, head_seconds=0.6, keep_alive_seconds=0.6) as server, server.peer() as slow, server.peer() as idle:
        await idle.ask()
        await slow.send(GET[:20])
        wall.now += seconds
        await anyio.sleep(0.3)
        assert (await idle.ask()).header(b"date") == http_date(int(wall.now)).encode()
        assert (await slow.rest()).startswith(b"HTTP/1.1 408 ")
        assert 0.6 <= anyio.current_time() - began < 0.6 + PATIENCE_SECONDS  # its time began when it connected
        assert await idle.rest() == b""
        assert 0.9 <= anyio.current_time() - began < 0.9 + PATIENCE_SECONDS  # its time began with its second answer
