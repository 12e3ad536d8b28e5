"""Open files as bodies: what is read without a thread, and what can only be read in order."""

import io
import os
from io import FileIO
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

from pagi.gateway.file_body import NOWAIT, send_file

pytestmark = pytest.mark.anyio

CONTENT = b"".join(b"%09d\n" % number for number in range(30_000))


async def pieces_of(**event: Any) -> list[bytes]:
    pieces: list[bytes] = []

    async def forward(piece: bytes) -> None:
        pieces.append(piece)

    await send_file(event, forward)
    return pieces


@pytest.mark.parametrize(("offset", "length"), [(0, 300_000), (0, 0), (7, 200_000), (299_999, 500), (300_000, 5)])
async def test_a_file_with_its_place_given_is_read_there(tmp_path: Path, offset: int, length: int) -> None:
    (tmp_path / "file").write_bytes(CONTENT)
    with FileIO(tmp_path / "file") as fh:
        fh.seek(11)  # where it stands is nobody's business
        assert b"".join(await pieces_of(fh=fh, offset=offset, length=length)) == CONTENT[offset : offset + length]
        assert not fh.closed


@pytest.mark.skipif(NOWAIT is None, reason="only Linux reads without waiting")
async def test_a_file_with_its_place_given_needs_no_thread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_thread(*args: Any) -> None:
        raise AssertionError("a thread was asked")

    monkeypatch.setattr(anyio.to_thread, "run_sync", no_thread)
    (tmp_path / "file").write_bytes(CONTENT)
    with FileIO(tmp_path / "file") as fh:
        assert b"".join(await pieces_of(fh=fh, offset=1, length=100_000)) == CONTENT[1:100_001]
        with pytest.raises(AssertionError):
            await pieces_of(fh=fh, offset=1)


async def test_a_file_without_a_place_is_read_from_where_it_stands(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(CONTENT)
    with FileIO(tmp_path / "file") as fh:
        fh.seek(100_000)
        assert b"".join(await pieces_of(fh=fh, length=70_000)) == CONTENT[100_000:170_000]
        assert b"".join(await pieces_of(fh=fh)) == CONTENT[170_000:]
    assert b"".join(await pieces_of(fh=io.BytesIO(CONTENT), offset=5, length=100_000)) == CONTENT[5:100_005]


@pytest.mark.parametrize("place", [{}, {"offset": 0}, {"length": 100_000}, {"offset": 0, "length": 100_000}])
async def test_a_pipe_is_read_in_order_whatever_is_said_of_its_place(place: dict[str, int]) -> None:
    reading, writing = os.pipe()

    def write() -> None:
        with open(writing, "wb") as fh:
            fh.write(CONTENT[:100_000])

    async with anyio.create_task_group() as group:
        group.start_soon(anyio.to_thread.run_sync, write)
        with FileIO(reading) as fh:
            assert b"".join(await pieces_of(fh=fh, **place)) == CONTENT[:100_000]
