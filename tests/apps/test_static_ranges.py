"""Parts of files, beside a naive model: slices of the bytes there are. In memory, and over a socket for what leaves as a file."""

import email
import os
from collections.abc import AsyncGenerator
from email.message import Message
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pagi import App
from pagi.apps import StaticFiles
from pagi.http.dates import http_date
from pagi.testing import TestClient
from pagi.testing.reply import Reply
from tests.apps.site import write
from tests.server.live import eventually, served

pytestmark = pytest.mark.anyio

CONTENT = b"".join(b"%09d\n" % number for number in range(30_000))
"""300,000 bytes that tell their place."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ranges")
    write(root / "file.txt", CONTENT)
    write(root / "small.txt", b"0123456789")
    write(root / "empty.txt", b"")
    return root


@pytest.fixture
async def client(root: Path) -> AsyncGenerator[TestClient]:
    app = App()
    app.mount("/static", StaticFiles(root))
    async with TestClient(app) as client:
        yield client


def parts_of(reply: Reply) -> list[tuple[str, str, bytes]]:
    """Type, Content-Range and bytes of each part, as Python's own MIME parser reads them."""
    message = email.message_from_bytes(b"content-type: " + reply.headers["content-type"].encode() + b"\r\n\r\n" + reply.content)
    assert message.is_multipart()
    assert not message.defects
    assert message.preamble in (None, "")
    parts: list[tuple[str, str, bytes]] = []
    for part in message.walk():
        if part is not message:
            assert isinstance(part, Message)
            content: object = part.get_payload(decode=True)
            assert isinstance(content, bytes)
            parts.append((str(part["content-type"]), str(part["content-range"]), content))
    return parts


@pytest.mark.parametrize(
    ("field", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=100000-200000", 100_000, 200_001),
        ("bytes=299999-", 299_999, 300_000),
        ("bytes=0-", 0, 300_000),
        ("bytes=-10", 299_990, 300_000),
        ("bytes=-999999", 0, 300_000),
        ("bytes=299990-999999", 299_990, 300_000),
        ("bytes=0-9,5-19", 0, 20),
    ],
)
async def test_one_part_comes_as_it_is(client: TestClient, field: str, start: int, stop: int) -> None:
    reply = await client.get("/static/file.txt", headers={"range": field})
    assert (reply.status, reply.content) == (206, CONTENT[start:stop])
    assert reply.headers["content-range"] == f"bytes {start}-{stop - 1}/300000"
    assert reply.headers["content-length"] == str(stop - start)
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    assert reply.headers["etag"] == (await client.get("/static/file.txt")).headers["etag"]


async def test_several_parts_come_delimited(client: TestClient) -> None:
    reply = await client.get("/static/file.txt", headers={"range": "bytes=-10,0-9,1000-280000"})
    assert reply.status == 206
    assert reply.headers["content-type"].startswith("multipart/byteranges; boundary=")
    assert "content-range" not in reply.headers
    assert int(reply.headers["content-length"]) == len(reply.content)
    assert parts_of(reply) == [
        ("text/plain; charset=utf-8", "bytes 299990-299999/300000", CONTENT[-10:]),
        ("text/plain; charset=utf-8", "bytes 0-9/300000", CONTENT[:10]),
        ("text/plain; charset=utf-8", "bytes 1000-280000/300000", CONTENT[1000:280_001]),
    ]


async def test_what_lies_outside_is_refused_with_the_size(client: TestClient) -> None:
    for field in ("bytes=300000-", "bytes=-0", "bytes=300000-400000,-0"):
        reply = await client.get("/static/file.txt", headers={"range": field})
        assert (reply.status, reply.headers["content-range"]) == (416, "bytes */300000")
        assert reply.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "field", ["bytes=x", "bytes=9-0", "lines=0-1", "bytes=-", "bytes=" + ",".join(f"{100 * n}-{100 * n}" for n in range(50))]
)
async def test_what_is_malformed_or_too_much_gets_the_whole(client: TestClient, field: str) -> None:
    reply = await client.get("/static/file.txt", headers={"range": field})
    assert (reply.status, reply.content) == (200, CONTENT)


async def test_only_get_has_parts_and_nothing_has_none(client: TestClient) -> None:
    reply = await client.head("/static/file.txt", headers={"range": "bytes=0-9"})
    assert (reply.status, reply.headers["content-length"]) == (200, "300000")
    reply = await client.get("/static/empty.txt", headers={"range": "bytes=0-9"})
    assert (reply.status, reply.content) == (200, b"")
    reply = await client.get("/static/none.txt", headers={"range": "bytes=0-9"})
    assert reply.status == 404


async def test_a_part_of_another_version_becomes_the_whole(client: TestClient) -> None:
    etag = (await client.get("/static/small.txt")).headers["etag"]
    same, other = http_date(1_700_000_000), http_date(1_600_000_000)
    for value, status in ((etag, 206), (f"W/{etag}", 200), ('"other"', 200), (same, 206), (other, 200)):
        reply = await client.get("/static/small.txt", headers={"range": "bytes=2-3", "if-range": value})
        assert (reply.status, reply.content) == ((206, b"23") if status == 206 else (200, b"0123456789"))
    reply = await client.get("/static/small.txt", headers={"range": "bytes=20-", "if-range": '"other"'})
    assert reply.status == 200  # the range was meant for something else


SPECS = st.tuples(st.integers(0, 12), st.integers(0, 12)).flatmap(
    lambda pair: st.sampled_from([f"{min(pair)}-{max(pair)}", f"{pair[0]}-", f"-{pair[1]}"])
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(spec=SPECS)
async def test_one_range_is_a_slice(root: Path, spec: str) -> None:
    async with TestClient(StaticFiles(root)) as client:
        reply = await client.get("/small.txt", headers={"range": f"bytes={spec}"})
    first, last = spec.split("-")
    whole = b"0123456789"
    slice_ = (
        whole[-int(last) :]
        if not first and int(last)
        else whole[int(first) :][: int(last) - int(first) + 1 if last else None]
        if first
        else b""
    )
    assert (reply.status, reply.content if slice_ else b"") == ((206, slice_) if slice_ else (416, b""))


# ---- over a socket


def get(path: str, *fields: str, method: str = "GET") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "host: x", *fields, "", ""]).encode()


async def test_a_large_file_leaves_whole_and_in_parts(root: Path) -> None:
    app = App()
    app.mount("/static", StaticFiles(root))
    async with served(app) as server, server.peer() as peer:
        reply = await peer.ask(get("/static/file.txt"))
        assert (reply.status, reply.body, reply.header(b"content-length")) == (200, CONTENT, b"300000")
        reply = await peer.ask(get("/static/file.txt", "range: bytes=70001-170000"))
        assert (reply.status, reply.body) == (206, CONTENT[70_001:170_001])
        reply = await peer.ask(get("/static/file.txt", "range: bytes=0-9,200000-209999"))
        assert (reply.status, CONTENT[200_000:210_000] in reply.body) == (206, True)
        reply = await peer.ask(get("/static/file.txt", method="HEAD"), "HEAD")
        assert (reply.status, reply.body, reply.header(b"content-length")) == (200, b"", b"300000")
        assert await peer.is_open()


async def test_what_leaves_is_the_file_that_was_found(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write(path, b"a" * 4_000_000)
    async with served(StaticFiles(tmp_path)) as server, server.peer() as peer:
        await peer.send(get("/file.txt"))
        first = await peer.more()
        path.unlink()
        write(path, b"b" * 4_000_000)
        peer.unread = first
        assert set((await peer.reply()).body) == {ord("a")}
        assert (await peer.ask(get("/file.txt"))).body[:1] == b"b"


async def test_a_file_that_shrinks_is_never_sent_as_if_it_were_whole(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    for asked in ((), ("range: bytes=0-9,1000000-9999999",)):
        write(path, b"a" * 10_000_000)
        async with served(StaticFiles(tmp_path)) as server, server.peer() as peer:
            await peer.send(get("/file.txt", *asked))
            head = await peer.until(b"\r\n\r\n")
            os.truncate(path, 1000)
            declared = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
            assert len(await peer.rest()) < declared


async def test_no_descriptor_is_left_of_a_client_that_leaves_in_the_middle(tmp_path: Path) -> None:
    write(tmp_path / "file.txt", b"a" * 20_000_000)
    async with served(StaticFiles(tmp_path)) as server:
        for asked in ((), ("range: bytes=0-9,1000000-9999999",)):
            async with server.peer() as peer:
                await peer.send(get("/file.txt", *asked))
                await peer.more()
                await peer.reset()
        await eventually(lambda: str(tmp_path / "file.txt") not in open_files())


def open_files() -> set[str]:
    """What the descriptors of this process lead to."""
    names = (f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd"))
    return {os.readlink(name) for name in names if os.path.exists(name)}
