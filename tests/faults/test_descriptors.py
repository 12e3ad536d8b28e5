"""More clients than descriptors: whoever is connected is served, files can still be opened, and the rest wait their turn."""

import signal
import socket
import time
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tests.faults.conftest import APP
from tests.server.child import Child, read_until, running

LIMIT = 64
CLIENTS = 56
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def limited(loop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Child]:
    """A server that may open few descriptors."""
    monkeypatch.setenv("FAULTS_DESCRIPTORS", str(LIMIT))
    monkeypatch.setenv("FAULTS_LAST_WORD", str(tmp_path / "last word"))
    with running(tmp_path, APP, "--loop", loop, "--timeout-head", "30", "--timeout-keep-alive", "30") as child:
        yield child


def ask(client: socket.socket, path: bytes, mark: bytes) -> None:
    client.sendall(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path)
    assert read_until(client, mark).startswith(b"HTTP/1.1 200 ")


def test_who_is_connected_is_served_while_there_is_no_room_and_the_rest_wait(limited: Child, tmp_path: Path) -> None:
    with ExitStack() as stack:
        first = stack.enter_context(limited.connect())
        ask(first, b"/", b"hello")
        clients = [stack.enter_context(limited.connect()) for _ in range(CLIENTS)]
        for client in clients:
            client.sendall(GET)
        limited.until_said("cannot accept")
        held = psutil.Process(limited.process.pid).num_fds()
        for _ in range(12):  # a second of it
            ask(first, b"/file?7", b"\r\n\r\n" + bytes(7))
            time.sleep(0.1)
        assert psutil.Process(limited.process.pid).num_fds() <= held < LIMIT
        assert limited.stderr.count("cannot accept") == 1
        for client in clients:  # as each goes, another may come
            assert read_until(client, b"hello").startswith(b"HTTP/1.1 200 ")
            client.close()
        ask(first, b"/", b"hello")
        assert limited.get("/") == b"hello"
        limited.signal(signal.SIGTERM)
        assert first.recv(1) == b""
        assert limited.exit_code() == 0
    assert (tmp_path / "last word").read_text() == "the lifespan ended"
    assert limited.stderr.count("cannot accept") <= 3
    assert "Traceback" not in limited.stderr, limited.stderr


def test_a_server_without_room_still_ends_as_it_should(limited: Child, tmp_path: Path) -> None:
    with ExitStack() as stack:
        for _ in range(CLIENTS):
            stack.enter_context(limited.connect())
        limited.until_said("cannot accept")
        limited.signal(signal.SIGTERM)
        assert limited.exit_code() == 0
    assert (tmp_path / "last word").read_text() == "the lifespan ended"
    assert "Traceback" not in limited.stderr, limited.stderr
