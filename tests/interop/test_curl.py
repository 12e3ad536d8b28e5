"""curl asks us: its methods, versions, uploads, kept connections and endless streams."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pagi.gateway import app as pagi_app
from tests.interop.contest import ours

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl"),
]


@pagi_app
async def app(scope: Any, receive: Any, send: Any) -> None:
    """Says what it was asked and how much came with it; streams events to who wants them."""
    if scope["type"] == "lifespan":
        return
    if scope["type"] == "sse":
        await send({"type": "sse.start"})
        while True:
            await send({"type": "sse.send", "event": "tick", "data": "grüß\nGott"})
    size, more = 0, True
    while more:
        event = await receive()
        size += len(event.get("body", b""))
        more = event.get("more_body", False)
    host = dict(scope["headers"])[b"host"].decode()
    said = f"{scope['method']} {host} {scope['path']} {scope['http_version']} {size}\n".encode()
    if scope["path"] == "/streamed":
        await send({"type": "http.response.start", "status": 200, "headers": [], "trailers": True})
        for piece in (said, b"x" * 100_000):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"end"})
        await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"1")]})
    else:
        send.full(200, [(b"content-type", b"text/plain")], said)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with ours(app, lifespan="off") as address:
        yield address


def curl(*words: str) -> str:
    """What curl prints: it is silent but for answers and failures, and gives up after a while."""
    done = subprocess.run(["curl", "--silent", "--show-error", "--max-time", "10", *words], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
def test_every_method_is_heard(method: str, address: str) -> None:
    host = address.removeprefix("http://")
    assert curl("-X", method, "-d", "body", f"{address}/caf%C3%A9") == f"{method} {host} /café 1.1 4\n"


def test_head_brings_fields_alone(address: str) -> None:
    said = curl("--head", f"{address}/x").lower()
    assert said.startswith("http/1.1 200 ok")
    assert f"content-length: {len(f'HEAD {address[7:]} /x 1.1 0') + 1}" in said


def test_http_1_0_is_spoken(address: str) -> None:
    assert " 1.0 0\n" in curl("--http1.0", f"{address}/")
    assert curl("--http1.0", f"{address}/streamed").endswith("end")


def test_a_stream_ends_with_its_trailers(address: str) -> None:
    said = curl("--include", "-H", "TE: trailers", f"{address}/streamed")
    assert "transfer-encoding: chunked" in said
    assert len(said.partition("\r\n\r\n")[2]) > 100_000


def test_one_connection_serves_many_addresses(address: str) -> None:
    said = curl(*[f"{address}/{number}" for number in range(5)], "-w", "%{num_connects}\n")
    assert [line for line in said.splitlines() if line in ("0", "1")] == ["1", "0", "0", "0", "0"]


@pytest.mark.parametrize("fields", [[], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect: 100-continue"], ["-H", "Expect:"]])
def test_a_file_goes_up(fields: list[str], address: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(3_000_000))
    assert curl("-T", str(tmp_path / "file"), *fields, f"{address}/up").endswith(" 3000000\n")


def test_an_endless_stream_of_events_is_left(address: str) -> None:
    """Whoever has read enough leaves, and the next one is served."""
    reader = subprocess.Popen(["curl", "--silent", "-N", "-H", "Accept: text/event-stream", address], stdout=subprocess.PIPE)
    assert reader.stdout is not None
    with reader.stdout:
        assert [reader.stdout.readline().decode() for _ in range(4)] == ["event: tick\n", "data: grüß\n", "data: Gott\n", "\n"]
    reader.terminate()
    reader.wait(5)
    assert " 1.1 0\n" in curl(address)
