"""Bodies from files: of any size and kind, from any place, and what becomes of those that cannot be read. On each loop."""

import io
import random
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.server.conftest import Lines
from tests.server.live import GET, eventually, served

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("framing")]

START: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": []}
CONTENT = b"".join(b"%09d\n" % number for number in range(30_000))


def sender(*events: dict[str, Any]) -> Any:
    """An application that sends these events."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for event in events:
            await send(event)

    return app


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of 300,000 bytes that tell their place."""
    path = tmp_path / "file.bin"
    path.write_bytes(CONTENT)
    return path


@pytest.mark.parametrize("told", [True, False], ids=["with its length", "chunked"])
@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 262_144, 262_145])
async def test_a_file_of_any_size_arrives_as_it_is(size: int, told: bool, tmp_path: Path) -> None:
    content = random.Random(size).randbytes(size)
    (tmp_path / "file").write_bytes(content)
    head = {**START, "headers": [(b"content-length", b"%d" % size)]} if told else START
    async with served(sender(head, {"type": "http.response.body", "file": str(tmp_path / "file")})) as server, server.peer() as peer:
        for _ in range(2):
            reply = await peer.ask()
            assert (reply.body == content, reply.header(b"transfer-encoding")) == (True, None if told else b"chunked")


class Readable:
    """A file of one's own: it can be read, and no more."""

    def __init__(self, content: bytes) -> None:
        self._inner = io.BytesIO(content)

    def read(self, size: int = -1, /) -> bytes:
        return self._inner.read(size)

    def seek(self, place: int, whence: int = 0, /) -> int:
        return self._inner.seek(place, whence)


@pytest.mark.parametrize("make", [io.BytesIO, Readable], ids=["in memory", "of one's own"])
@pytest.mark.parametrize(
    ("place", "part"),
    [
        ({}, CONTENT),
        ({"length": 100_000}, CONTENT[:100_000]),
        ({"offset": 7, "length": 70_000}, CONTENT[7:70_007]),
        ({"offset": 5}, CONTENT[5:]),
    ],
    ids=["whole", "a length", "an offset and a length", "an offset"],
)
async def test_a_file_without_a_descriptor_is_read(make: Any, place: dict[str, int], part: bytes) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send({"type": "http.response.body", "fh": make(CONTENT), **place})

    async with served(app) as server, server.peer() as peer:
        assert (await peer.ask()).body == part
        assert await peer.is_open()


async def test_an_offset_past_the_end_of_a_file_sends_nothing(path: Path) -> None:
    event = {"type": "http.response.body", "file": str(path), "offset": 300_001}
    async with served(sender(START, event)) as server, server.peer() as peer:
        assert (await peer.ask()).body == b""
        assert await peer.is_open()


async def test_a_file_that_may_not_be_read_cuts_its_own_answer_alone(tmp_path: Path, log: Lines) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/file":
            await send(START)
            await send({"type": "http.response.body", "file": str(tmp_path)})
        send.full(200, [], b"hello")

    async with served(app) as server, server.peer() as beside:
        await beside.ask()
        assert not (await server.answer_to(b"GET /file HTTP/1.1\r\nHost: x\r\n\r\n")).endswith(b"0\r\n\r\n")
        assert (await beside.ask()).body == (await server.ask()).body == b"hello"
    assert len(log.errors) == 1


async def test_a_closed_file_is_raised_at_once(path: Path) -> None:
    errors: list[Exception] = []
    fh = path.open("rb")
    fh.close()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        try:
            await send({"type": "http.response.body", "fh": fh})
        except Exception as error:
            errors.append(error)
            raise

    async with served(app) as server:
        await server.answer_to(GET)
    assert len(errors) == 1


class Blocked:
    """A file whose disk does not answer yet."""

    def __init__(self) -> None:
        self.is_asked = False
        self.go = threading.Event()

    def read(self, size: int = -1, /) -> bytes:
        self.is_asked = True
        assert self.go.wait(5)
        return b""


async def test_a_file_that_is_slow_to_read_holds_nobody_else_up() -> None:
    slow = Blocked()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/slow":
            await send(START)
            await send({"type": "http.response.body", "fh": slow})
        else:
            send.full(200, [], b"quick")

    async with served(app) as server, server.peer() as waits:
        await waits.send(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        await eventually(lambda: slow.is_asked)
        assert (await server.ask()).body == b"quick"
        slow.go.set()
        assert (await waits.reply()).body == b""
