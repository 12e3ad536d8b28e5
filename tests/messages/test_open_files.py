"""Answers from an open file: what they send, to whom, and that they close it."""

from io import FileIO
from pathlib import Path

import pytest

from pagi.gateway.file_body import FileBodyError
from pagi.gateway.types import HeaderList, Message
from pagi.http.ranges import ByteRange
from pagi.messages.open_files import PIECE_BYTES, FileParts, OpenFileResponse

pytestmark = pytest.mark.anyio

CONTENT = bytes(range(256)) * 2000
"""512,000 bytes."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file.bin"
    path.write_bytes(CONTENT)
    return path


class Direct:
    """A `send` that looks like our server's own."""

    def __init__(self) -> None:
        self.events: list[Message] = []

    async def __call__(self, event: Message) -> None:
        self.events.append(event)

    def full(self, status: int, headers: HeaderList, body: bytes) -> None: ...

    def chunk(self, data: bytes) -> bool:
        return False


async def test_the_server_itself_is_handed_the_file(path: Path) -> None:
    file, send = FileIO(path), Direct()
    response = OpenFileResponse(file, path=str(path), offset=5, length=10)
    await response.prepare()
    await response.deliver(send, response.status, response.raw_headers)
    assert send.events[1] == {"type": "http.response.body", "fh": file, "offset": 5, "length": 10}
    assert response.headers["content-length"] == "10"
    await response.aclose()
    assert file.closed


@pytest.mark.parametrize(("offset", "length"), [(0, len(CONTENT)), (7, 300_000), (511_999, 1), (0, 0)])
async def test_whoever_stands_in_between_gets_the_bytes(path: Path, offset: int, length: int) -> None:
    events: list[Message] = []

    async def send(event: Message) -> None:
        events.append(event)

    with FileIO(path) as file:
        response = OpenFileResponse(file, path=str(path), offset=offset, length=length)
        await response.deliver(send, 200, response.raw_headers)
    assert b"".join(event["body"] for event in events[1:]) == CONTENT[offset : offset + length]
    assert [event.get("more_body", False) for event in events[1:]] == [True] * (len(events) - 2) + [False]


async def test_a_file_that_ends_early_is_an_error_and_no_end(path: Path) -> None:
    events: list[Message] = []

    async def send(event: Message) -> None:
        events.append(event)

    with FileIO(path) as file:
        response = OpenFileResponse(file, path=str(path), length=len(CONTENT) + 5)
        with pytest.raises(FileBodyError, match="ended 5 bytes early"):
            await response.deliver(send, 200, response.raw_headers)
    assert all(event.get("more_body") for event in events[1:])


async def test_parts_are_read_piece_by_piece(path: Path) -> None:
    file = FileIO(path)
    parts = FileParts(file, [b"a", ByteRange(3, PIECE_BYTES + 5), b"b", ByteRange(0, 1)])
    pieces = [piece async for piece in parts]
    assert pieces == [b"a", CONTENT[3 : 3 + PIECE_BYTES], CONTENT[3 + PIECE_BYTES : 8 + PIECE_BYTES], b"b", CONTENT[:1]]
    await parts.aclose()
    assert file.closed


async def test_a_part_that_is_gone_is_an_error(path: Path) -> None:
    with FileIO(path) as file:
        parts = FileParts(file, [ByteRange(len(CONTENT) - 1, 2)])
        assert await anext(parts) == CONTENT[-1:]
        with pytest.raises(FileBodyError, match="ends before byte 512001"):
            await anext(parts)
