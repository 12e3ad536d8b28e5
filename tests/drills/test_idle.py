"""A thousand idle WebSockets and a thousand idle event streams on one process: what each costs, and how a deploy ends them."""

import resource
import signal
import socket
import time
import zlib
from pathlib import Path

import pytest

from tests.server.child import Child, read_rest, read_until, running
from tests.server.wire.client_frames import BINARY, FIN, RSV1, frame

pytestmark = pytest.mark.drill

APP = Path(__file__).with_name("app.py")
KIB = 1024
WARM = 100
"""Connections that are open before anything is measured: arenas and code that come once."""
HANDSHAKE = (
    b"GET /echo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
)
WISH = b"GET /ticks HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n"


def packed(data: bytes) -> bytes:
    """A compressed binary message of a client."""
    packer = zlib.compressobj(wbits=-15)
    return frame(FIN | RSV1 | BINARY, (packer.compress(data) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4])


MESSAGE = packed(b"a message that compresses, compresses, compresses and compresses well" * 4)


def websocket(child: Child) -> socket.socket:
    """An idle WebSocket with deflate, after one message each way."""
    client = child.connect()
    client.sendall(HANDSHAKE)
    head = read_until(client, b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    assert b"permessage-deflate" in head
    client.sendall(MESSAGE)
    assert client.recv(65536)[0] == FIN | RSV1 | BINARY
    return client


def event_stream(child: Child) -> socket.socket:
    """An idle event stream, after one event."""
    client = child.connect()
    client.sendall(WISH)
    read_until(client, b"data: hello\n\n")
    return client


@pytest.mark.parametrize("loop", ["uvloop", "asyncio", "trio"])
def test_idle_streams_are_small_and_all_hear_the_closing_signal(loop: str, scale: float, tmp_path: Path) -> None:
    count = int(1000 * scale)
    descriptors, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = 2 * (count + WARM) + 200
    if descriptors < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(needed, most), most))
    with running(tmp_path, APP, "--loop", loop, "--no-access-log", "--ws-ping-interval", "0", "--sse-keepalive", "0") as child:
        websockets = [websocket(child) for _ in range(WARM)]
        streams = [event_stream(child) for _ in range(WARM)]
        time.sleep(0.2)
        before = child.rss()
        websockets += [websocket(child) for _ in range(count)]
        time.sleep(0.2)
        between = child.rss()
        streams += [event_stream(child) for _ in range(count)]
        time.sleep(0.2)
        after = child.rss()
        per_websocket, per_stream = (between - before) / count / KIB, (after - between) / count / KIB
        print(f"\n{loop}: {count} idle WebSockets {per_websocket:.1f} KiB each, {count} idle event streams {per_stream:.1f} KiB each")
        child.signal(signal.SIGTERM)
        began = time.monotonic()
        for client in streams:
            with client:
                assert read_rest(client).endswith(b"event: end\ndata: server_shutdown\n\n\r\n0\r\n\r\n")
        for client in websockets:
            with client:
                assert client.recv(65536) == b"\x88\x11\x03\xe9server_shutdown"
                client.sendall(frame(FIN | 8, b"\x03\xe9"))
                assert client.recv(65536) == b""
        assert child.exit_code() == 0
        print(f"{loop}: {2 * (count + WARM)} streams ended in {time.monotonic() - began:.2f} s")
    assert "Traceback" not in child.stderr, child.stderr
    if loop != "trio":  # a trio task and its cancel scopes alone cost more: this bound is for the loops that are recommended
        assert per_websocket <= 12, f"{per_websocket:.1f} KiB"
        assert per_stream <= 10, f"{per_stream:.1f} KiB"
