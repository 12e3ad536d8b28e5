"""`pagi status`, the control socket and the metrics of a server with workers: one place to ask for all of them."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.cli.supervised import APP, Supervised, supervised
from tests.server.process.test_windows import ask, free_port, scrape

SECONDS = 20.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project whose application says `one` and its process id."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "main.py").write_text(APP)
    return folder


def status(*args: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs `pagi status`."""
    command = [sys.executable, "-m", "pagi", "status", *args]
    given = {name: value for name, value in os.environ.items() if not name.startswith("PAGI_")}
    return subprocess.run(command, cwd=folder, env={**given, **environment}, capture_output=True, text=True, timeout=SECONDS)


def told(pagi: Supervised, path: Path) -> list[dict[str, Any]]:
    """What the control socket says."""
    answer: list[dict[str, Any]] = json.loads(ask(path))
    return answer


def test_one_control_socket_tells_of_all_workers(folder: Path, tmp_path: Path) -> None:
    path, port = tmp_path / "run" / "control.sock", free_port()
    flags = ("main:app", "--workers", "2", "--control-socket", str(path), "--metrics-bind", f"127.0.0.1:{port}")
    with supervised(folder, *flags, "--timeout-graceful-shutdown", "0.5") as pagi, pagi.connect() as open_now:
        open_now.sendall(b"GET /stuck?token=secret HTTP/1.1\r\nHost: x\r\n\r\n")
        for _ in range(5):
            pagi.ask()
        pagi.until(lambda: sum(each["open"].get("http", 0) for each in told(pagi, path)) == 1, "the request that is stuck is told")
        reports = told(pagi, path)
        assert {each["pid"] for each in reports} == pagi.workers()
        assert sorted(each["worker"] for each in reports) == [1, 2]
        assert sum(each["figures"]["statuses"].get("http", {}).get("200", 0) for each in reports) == 5
        assert "secret" not in json.dumps(reports)

        metrics = scrape(port).decode()
        assert 'pagi_connections{worker="1"}' in metrics
        assert 'pagi_connections{worker="2"}' in metrics

        shown = status(str(path), folder=folder)
        assert shown.returncode == 0, shown.stderr
        assert "GET /stuck HTTP/1.1" in shown.stdout
        rows = [line.split()[:2] for line in shown.stdout.splitlines()]
        assert [int(row[1]) for row in rows[1:3]] == [each["pid"] for each in sorted(reports, key=lambda each: each["worker"])]
        assert json.loads(status("--json", folder=folder, PAGI_CONTROL_SOCKET=str(path)).stdout)
        assert pagi.end() == 4, "the request that was stuck was cut"
    assert not path.exists()


def test_a_blocked_worker_is_missing_and_the_others_answer(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "run" / "control.sock"
    with supervised(folder, "main:app", "--workers", "2", "--control-socket", str(path)) as pagi, pagi.connect() as blocking:
        assert len(told(pagi, path)) == 2
        blocking.sendall(b"GET /block HTTP/1.1\r\nHost: x\r\n\r\n")
        pagi.until(lambda: len(told(pagi, path)) == 1, "only one answers")


def test_visitors_who_do_not_read_or_ask_hold_nobody_up(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "run" / "control.sock"
    with supervised(folder, "main:app", "--workers", "2", "--control-socket", str(path)) as pagi:
        idle = [socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) for _ in range(10)]
        try:
            for number, visitor in enumerate(idle):
                visitor.connect(str(path))
                if number % 2:
                    visitor.sendall(b"status\n")
            assert len(told(pagi, path)) == 2
            assert pagi.ask().startswith("one ")
        finally:
            for visitor in idle:
                visitor.close()


def test_a_successor_takes_the_windows_over(folder: Path, tmp_path: Path) -> None:
    path, port = tmp_path / "run" / "control.sock", free_port()
    flags = ("main:app", "--workers", "2", "--control-socket", str(path), "--metrics-bind", f"127.0.0.1:{port}")
    with supervised(folder, *flags) as pagi:
        before = {each["pid"] for each in told(pagi, path)}
        pagi.send(signal.SIGUSR2)
        pagi.until_said("open to whoever may look in", times=2)
        after = {each["pid"] for each in told(pagi, path)}
        assert len(after) == 2
        assert not before & after
        assert b'pagi_uptime_seconds{worker="2"}' in scrape(port)
        for pid in {psutil.Process(pid).ppid() for pid in after}:
            psutil.Process(pid).terminate()
        pagi.until(lambda: not path.exists(), "the file is removed by its last owner")


def test_windows_that_cannot_open_are_exit_3(folder: Path, tmp_path: Path) -> None:
    public = tmp_path / "public"
    public.mkdir()
    public.chmod(0o755)
    with supervised(folder, "main:app", "--workers", "2", "--control-socket", str(public / "control.sock"), listens=False) as pagi:
        assert pagi.exit_code() == 3
        assert "others may enter the folder (mode 0755)" in pagi.output


def test_nobody_at_home_is_told_with_the_remedy(folder: Path, tmp_path: Path) -> None:
    shown = status(str(tmp_path / "none.sock"), folder=folder)
    assert shown.returncode == 1
    assert "nobody answers at" in shown.stderr
    assert "--control-socket" in shown.stderr
    assert status(folder=folder).returncode == 2
