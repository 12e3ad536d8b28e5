"""The server as a process: its signals, its exit codes and its last words, on every loop."""

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.server.child import read_rest, read_until, running

APP = """
import anyio

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        print("lifespan ended", flush=True)
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["path"] == "/slow":
        await anyio.sleep(0.3)
    if scope["path"] == "/stuck":
        await anyio.sleep(60)
    send.full(200, [], scope["path"].encode())
"""
FAILED = """
async def app(scope, receive, send):
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database"})
"""
LOOPS = ["uvloop", "asyncio", "trio"]


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """An application with a slow and a stuck path."""
    path = tmp_path / "served.py"
    path.write_text(APP)
    return path


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_ends_with_0(loop: str, number: signal.Signals, app: Path, tmp_path: Path) -> None:
    with running(tmp_path, app, "--loop", loop) as child, child.connect() as client:
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.15)
        child.signal(number)
        assert read_rest(client).endswith(b"/slow")
        client.close()  # else the server would wait a moment for just that
        assert child.exit_code() == 0
    assert "lifespan ended" in child.stdout
    assert '"GET /slow HTTP/1.1" 200' in child.stdout
    assert "Traceback" not in child.stderr


@pytest.mark.parametrize("loop", LOOPS)
def test_work_cut_at_the_deadline_ends_with_4(loop: str, app: Path, tmp_path: Path) -> None:
    with running(tmp_path, app, "--loop", loop, "--timeout-graceful-shutdown", "0.3") as child, child.connect() as client:
        client.sendall(b"GET /stuck HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.15)
        child.signal(signal.SIGTERM)
        assert read_rest(client) == b""
        assert child.exit_code() == 4
    assert "server_shutdown" in child.stderr
    assert "lifespan ended" in child.stdout
    assert "Traceback" not in child.stderr


@pytest.mark.parametrize("loop", LOOPS)
def test_a_second_int_forces_the_end(loop: str, app: Path, tmp_path: Path) -> None:
    with running(tmp_path, app, "--loop", loop, "--timeout-graceful-shutdown", "30") as child, child.connect() as client:
        client.sendall(b"GET /stuck HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.15)
        child.signal(signal.SIGINT)
        time.sleep(0.2)
        assert child.process.poll() is None
        child.signal(signal.SIGINT)
        assert child.exit_code(3) == 4
    assert "interrupted twice" in child.stderr


def test_a_second_term_changes_nothing(app: Path, tmp_path: Path) -> None:
    with running(tmp_path, app) as child, child.connect() as client:
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.15)
        child.signal(signal.SIGTERM)
        child.signal(signal.SIGTERM)
        assert read_rest(client).endswith(b"/slow")
        client.close()  # else the server would wait a moment for just that
        assert child.exit_code() == 0


@pytest.mark.parametrize("loop", LOOPS)
def test_a_failed_start_ends_with_3(loop: str, tmp_path: Path) -> None:
    path = tmp_path / "served.py"
    path.write_text(FAILED)
    with running(tmp_path, path, "--loop", loop, listens=False) as child:
        assert child.exit_code(20) == 3
    assert "no database" in child.stderr
    assert "Traceback" not in child.stderr


def test_a_taken_port_ends_with_3(app: Path, tmp_path: Path) -> None:
    (tmp_path / "second").mkdir()
    with running(tmp_path, app) as child, running(tmp_path / "second", app, "--port", str(child.port), listens=False) as second:
        assert second.exit_code(20) == 3
    assert "--port 0 for a free one" in second.stderr
    assert "Traceback" not in second.stderr


@pytest.mark.parametrize("loop", LOOPS)
def test_every_loop_serves_over_a_kept_connection(loop: str, app: Path, tmp_path: Path) -> None:
    with running(tmp_path, app, "--loop", loop) as child, child.connect() as client:
        for path in (b"/one", b"/two"):
            client.sendall(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path)
            assert read_until(client, path).startswith(b"HTTP/1.1 200 ")


BUSY = """
import time

def app(environ, start_response):
    time.sleep(600)
"""


@pytest.mark.parametrize("loop", LOOPS)
def test_a_thread_that_cannot_be_cancelled_is_not_waited_for_after_the_deadline(loop: str, tmp_path: Path) -> None:
    (tmp_path / "busy.py").write_text(BUSY)
    flags = ["--interface", "wsgi", "--loop", loop, "--timeout-graceful-shutdown", "0.3"]
    with running(tmp_path, tmp_path / "busy.py", *flags) as child, child.connect() as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.15)
        child.signal(signal.SIGTERM)
        assert read_rest(client) == b""
        assert child.exit_code() == 4
    assert "server_shutdown" in child.stdout


@pytest.mark.parametrize("loop", LOOPS)
def test_usr1_goes_on_in_the_access_log_that_bears_the_name_now(loop: str, app: Path, tmp_path: Path) -> None:
    access, rotated = tmp_path / "access.log", tmp_path / "access.log.1"
    with running(tmp_path, app, "--loop", loop, "--access-log-file", str(access), "--access-log-format", "%U") as child:
        child.get("/before")
        until(lambda: access.read_text() != "")
        access.rename(rotated)
        child.signal(signal.SIGUSR1)
        until(access.exists)
        child.get("/after")
        until(lambda: access.read_text() != "")
    assert (rotated.read_text(), access.read_text()) == ("/before\n", "/after\n")


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)
