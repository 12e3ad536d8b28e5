"""Looking into a running server: through its control socket as its user, and at its metrics as anybody."""

import json
import os
import socket
import stat
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from pagi.http.errors import ConfigError
from pagi.server.options import WatchOptions
from pagi.server.process.windows import open_windows
from tests.server.child import Child, running

SECONDS = 10.0
APP = """
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})
"""


def ask(path: Path, request: bytes = b"status\n") -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(SECONDS)
        asking.connect(str(path))
        asking.sendall(request)
        answer = b""
        while data := asking.recv(65536):
            answer += data
    return answer


def scrape(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as asking:
        asking.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        while data := asking.recv(65536):
            answer += data
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    return body


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def test_the_control_socket_is_for_its_user_alone(tmp_path: Path) -> None:
    path = tmp_path / "private" / "control.sock"
    windows = open_windows(WatchOptions(control_socket=str(path)))
    try:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    finally:
        windows.close()
    assert not path.exists()


def test_a_folder_that_others_may_enter_is_refused_with_the_remedy(tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o755)
    with pytest.raises(ConfigError, match=r"mode 0755\); give it one of its own"):
        open_windows(WatchOptions(control_socket=str(folder / "control.sock")))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give a folder away")
def test_another_users_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o700)
    os.chown(folder, 65534, 65534)
    with pytest.raises(ConfigError, match="another user's"):
        open_windows(WatchOptions(control_socket=str(folder / "control.sock")))


@pytest.mark.parametrize("loop", ["uvloop", "asyncio", "trio"])
def test_a_running_server_is_looked_into(tmp_path: Path, loop: str) -> None:
    path, port = tmp_path / "own" / "control.sock", free_port()
    app = tmp_path / "app.py"
    app.write_text(APP)
    with running(tmp_path, app, "--loop", loop, "--control-socket", str(path), "--metrics-bind", f"127.0.0.1:{port}") as child:
        child.get("/?token=secret")
        (process,) = json.loads(ask(path))
        assert process["pid"] == child.process.pid
        assert process["figures"]["statuses"] == {"http": {"200": 1}}
        assert b"secret" not in ask(path)
        metrics = scrape(port)
        assert b'pagi_responses_total{worker="0",kind="http",status="200"} 1\n' in metrics
        quiet_before(child, path)
        child.process.terminate()
        assert child.process.wait(SECONDS) == 0
    assert not path.exists()


def quiet_before(child: Child, path: Path) -> None:
    """Visitors who say nothing, leave at once or talk nonsense harm nobody."""
    with ExitStack() as silent:
        for number in range(8):
            visitor = silent.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            visitor.connect(str(path))
            if number % 2:
                visitor.close()
        with suppress(ConnectionResetError):  # what it did not read of this is reset
            assert ask(path, b"x" * 20_000) == b""
        assert ask(path, b"stop\n") == b'{"error":"ask for: status"}\n'
        child.get("/")
