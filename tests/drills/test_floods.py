"""Large bodies, slow ends and deflate bombs: memory stays where the marks put it."""

import json
import select
import socket
import threading
import time
import zlib
from pathlib import Path

import pytest

from tests.server.child import Child, read_until, running
from tests.server.wire.client_frames import BINARY, FIN, KEY, RSV1

pytestmark = [pytest.mark.drill, pytest.mark.quiet]

APP = Path(__file__).with_name("app.py")
LOOPS = ["uvloop", "asyncio", "trio"]
KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB
HIGH_WATER = 64 * KIB
SLACK = 2 * MIB
"""What an allocator may take once: arenas, thread stacks, the kernel's view of them."""


class Peak:
    """The most memory a child held while this is open, in bytes above what it held at the beginning."""

    def __init__(self, child: Child) -> None:
        self._child = child
        self._over = threading.Event()
        self.before = child.rss()
        self.bytes = 0
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.01):
            self.bytes = max(self.bytes, self._child.rss() - self.before)


@pytest.mark.parametrize("loop", LOOPS)
def test_a_client_that_stops_reading_holds_one_mark_and_one_chunk(loop: str, tmp_path: Path) -> None:
    with running(tmp_path, APP, "--loop", loop, "--no-access-log") as child:
        child.get("/hello")
        with child.connect() as warm:  # the first stream ever brings its code and buffers
            warm.sendall(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
            warm.recv(65536)
        time.sleep(0.2)
        with Peak(child) as peak, child.connect() as client:
            client.sendall(b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n")
            client.recv(1024)
            time.sleep(1.0)
            buffered = json.loads(child.get("/buffered"))[-1]
    print(f"\n{loop}: an unread stream holds {buffered / KIB:.0f} KiB, the process grew by {peak.bytes / KIB:.0f} KiB")
    assert HIGH_WATER <= buffered <= HIGH_WATER + 65_536 + 16
    assert peak.bytes <= SLACK


@pytest.mark.parametrize("loop", LOOPS)
def test_a_large_upload_to_a_slow_handler_is_never_gathered(loop: str, scale: float, tmp_path: Path) -> None:
    size = int(GIB * scale)
    piece = memoryview(b"x" * MIB)
    with running(tmp_path, APP, "--loop", loop, "--no-access-log", "--limit-body-bytes", str(2 * GIB)) as child:
        child.get("/hello")
        with Peak(child) as peak, child.connect() as client:
            client.settimeout(60)
            client.sendall(b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size)
            left = size
            while left:
                client.sendall(piece[: min(left, MIB)])
                left -= min(left, MIB)
            assert read_until(client, b"\r\n\r\n%d" % size).startswith(b"HTTP/1.1 200 ")
    print(f"\n{loop}: while {size / MIB:.0f} MiB went up, the process grew by {peak.bytes / KIB:.0f} KiB")
    assert peak.bytes <= SLACK + HIGH_WATER


SOCKETS = 20
HANDSHAKE = (
    b"GET /echo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
)


def bomb(size: int) -> bytes:
    """A compressed message that inflates to `size` zeros, masked by a key of zeros."""
    packer = zlib.compressobj(9, wbits=-15)
    mebibyte = packer.compress(b"\0" * MIB) + packer.flush(zlib.Z_FULL_FLUSH)  # each can stand after any other
    payload = (mebibyte * (size // MIB))[:-4]
    assert len(KEY) == 4
    return bytes([FIN | RSV1 | BINARY, 0x80 | 127]) + len(payload).to_bytes(8, "big") + b"\0\0\0\0" + payload


def throw(client: socket.socket, data: bytes, answers: list[bytes]) -> None:
    """Sends all of it unless the server answers first, and keeps the answer."""
    view = memoryview(data)
    answer = b""
    client.setblocking(False)
    until = time.monotonic() + 30
    while time.monotonic() < until:
        readable, writable, _ = select.select([client], [client] if view and not answer else [], [], 1)
        try:
            if readable:
                more = client.recv(4096)
                if not more:
                    break
                answer += more
            elif writable:
                view = view[client.send(view[: 64 * KIB]) :]
        except (ConnectionResetError, BrokenPipeError):
            break
    answers.append(answer)


@pytest.mark.parametrize("loop", LOOPS)
def test_twenty_deflate_bombs_at_once_are_closed_with_1009(loop: str, scale: float, tmp_path: Path) -> None:
    data = bomb(int(GIB * scale) // MIB * MIB)
    with running(tmp_path, APP, "--loop", loop, "--no-access-log", "--ws-max-size", str(MIB)) as child:
        clients = [child.connect() for _ in range(SOCKETS)]
        for client in clients:
            client.sendall(HANDSHAKE)
            assert b"permessage-deflate" in read_until(client, b"\r\n\r\n")
        answers: list[bytes] = []
        with Peak(child) as peak:
            threads = [threading.Thread(target=throw, args=(client, data, answers)) for client in clients]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        for client in clients:
            client.close()
        assert child.get("/hello") == b"hello"
    print(f"\n{loop}: {SOCKETS} bombs of {len(data) / KIB:.0f} KiB made the process grow by {peak.bytes / MIB:.1f} MiB")
    assert [answer[2:4] for answer in answers] == [(1009).to_bytes(2, "big")] * SOCKETS
    assert peak.bytes < 32 * MIB
