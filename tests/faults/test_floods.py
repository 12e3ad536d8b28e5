"""Floods of small things, each bounded in time: whoever asks beside them is answered, memory stays, and nothing of them is left."""

import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress

import pytest

from tests.faults.conversations import WEBSOCKET, reset
from tests.faults.latency import beside
from tests.faults.remains import Life, settled
from tests.server.child import Child
from tests.server.wire.client_frames import FIN, PING, TEXT, frame

pytestmark = pytest.mark.quiet

SECONDS = 0.4
KIB = 1024
MIB = 1024 * KIB
CLIENTS = 2
MOST_GROWTH = 8 * MIB
MANY_FIELDS = b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: y\r\n" % number for number in range(98)) + b"\r\n"
FLOODS: dict[str, tuple[bytes, bytes]] = {
    "pipelined requests": (b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    "requests of many fields": (b"", MANY_FIELDS),
    "chunks of one byte": (b"POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "pings": (WEBSOCKET, frame(FIN | PING)),
    "messages": (WEBSOCKET, frame(FIN | TEXT, b"x")),
}


def pour(client: socket.socket, opening: bytes, piece: bytes) -> None:
    """Says the same again and again, as fast as it is taken, until the connection is shut down."""
    data = piece * (16 * KIB // len(piece))
    with suppress(OSError):
        client.sendall(opening)
        while True:
            client.sendall(data)


def drain(client: socket.socket) -> None:
    """Reads what comes, so that more can come."""
    with suppress(OSError):
        while client.recv(MIB):
            pass


def come_and_go(child: Child, over: threading.Event) -> None:
    """Opens connections and lets them go, each second one by a reset: some hundreds in a second, in line before those who ask."""
    while not over.wait(0.02):
        for leave in (reset, socket.socket.close) * 4:
            leave(child.connect())


@contextmanager
def flooding(child: Child, opening: bytes, piece: bytes) -> Generator[None]:
    """Clients that do nothing else while this is open."""
    clients = [child.connect() for _ in range(CLIENTS)]
    threads = [threading.Thread(target=pour, args=(client, opening, piece)) for client in clients]
    threads += [threading.Thread(target=drain, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for client in clients:
            with suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()
        for client in clients:
            reset(client)


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_holds_nobody_up(name: str, child: Child, before: Life, calm: Child) -> None:
    memory = child.rss()
    with flooding(child, *FLOODS[name]):
        in_time = beside(child.port, calm.port, SECONDS, name)
        growth = child.rss() - memory
    assert settled(child, before) == before
    assert growth <= MOST_GROWTH
    assert in_time


def test_connections_that_come_and_go_hold_nobody_up(child: Child, before: Life, calm: Child) -> None:
    over = threading.Event()
    memory = child.rss()
    thread = threading.Thread(target=come_and_go, args=(child, over))
    thread.start()
    try:
        in_time = beside(child.port, calm.port, SECONDS, "connections")
        growth = child.rss() - memory
    finally:
        over.set()
        thread.join()
    assert settled(child, before) == before
    assert growth <= MOST_GROWTH
    assert in_time
