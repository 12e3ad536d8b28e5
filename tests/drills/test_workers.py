"""Workers under wrk: rolled, replaced and killed while it asks. Nobody loses a request but those that a killed worker had in hand."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.cli.developing import until
from tests.cli.supervised import Supervised, supervised

pytestmark = [
    pytest.mark.drill,
    pytest.mark.peer,
    pytest.mark.skipif(shutil.which("wrk") is None, reason="wrk is not installed"),
]

APP = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    send.full(200, [], b"hello")
"""
CONNECTIONS = 32
ROLL_SECONDS = 120.0
LONG = 100_000
"""Seconds that wrk is told to run; it is interrupted, and reports then."""

SOCKET_ERRORS = re.compile(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)")
OTHER_STATUS = re.compile(r"Non-2xx or 3xx responses: (\d+)")
REQUESTS = re.compile(r"(\d+) requests in")


class Outcome:
    """What wrk saw."""

    def __init__(self) -> None:
        self.requests = 0
        self.errors = 0
        self.text = ""

    def read(self, text: str) -> None:
        """Takes its report."""
        self.text = text
        self.requests = int(next(iter(REQUESTS.findall(text)), 0))
        found = SOCKET_ERRORS.search(text)
        self.errors = sum(map(int, found.groups())) if found else 0
        self.errors += sum(map(int, OTHER_STATUS.findall(text)))


@contextmanager
def asking(port: int) -> Generator[Outcome]:
    """wrk asks on kept connections, for as long as this is entered."""
    outcome = Outcome()
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{LONG}", "--timeout", "30", f"http://127.0.0.1:{port}/"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        time.sleep(0.5)
        yield outcome
        process.send_signal(signal.SIGINT)
        outcome.read(process.communicate(timeout=30)[0])
    finally:
        process.kill()
        process.wait()


@contextmanager
def four_workers(tmp_path: Path, *args: str) -> Generator[Supervised]:
    """A supervisor with four of them."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "main.py").write_text(APP)
    with supervised(folder, "main:app", "--workers", "4", "--no-access-log", "--timeout-keep-alive", "60", *args) as pagi:
        yield pagi


@pytest.mark.parametrize("loop", ["uvloop", "trio"])
def test_rolls_lose_no_request(loop: str, scale: float, tmp_path: Path) -> None:
    rounds = max(5, int(100 * scale)) if loop == "uvloop" else max(2, int(20 * scale))
    rounds = rounds if scale == 1 else min(rounds, 5)
    with four_workers(tmp_path, "--loop", loop) as pagi, asking(pagi.port) as outcome:
        for count in range(1, rounds + 1):
            pagi.send(signal.SIGHUP)
            until(lambda count=count: pagi.output.count("rolled: 4 workers") == count, f"roll {count}", ROLL_SECONDS)  # type: ignore[misc]
    print(f"\n{loop}: {rounds} rolls of 4 workers, {outcome.requests} requests, {outcome.errors} failed")
    assert outcome.requests > 0
    assert outcome.errors == 0, outcome.text


def test_new_supervisors_lose_no_request(scale: float, tmp_path: Path) -> None:
    rounds = max(2, int(20 * scale))
    with four_workers(tmp_path, "--pid-file", "pid") as pagi, asking(pagi.port) as outcome:
        pid_file = pagi.folder / "pid"
        for _ in range(rounds):
            before = pid_file.read_text()
            os.kill(int(before), signal.SIGUSR2)
            until(lambda before=before: pid_file.read_text() not in ("", before), "another is in charge", ROLL_SECONDS)  # type: ignore[misc]
            if pagi.process.poll() is None:
                pagi.process.wait(ROLL_SECONDS)
            until(lambda before=before: not psutil.pid_exists(int(before)), "the old one is gone", ROLL_SECONDS)  # type: ignore[misc]
        os.kill(int(pid_file.read_text()), 0)
    print(f"\n{rounds} supervisors replaced, {outcome.requests} requests, {outcome.errors} failed")
    assert outcome.requests > 0
    assert outcome.errors == 0, outcome.text


def test_a_killed_worker_loses_only_what_it_had_in_hand(scale: float, tmp_path: Path) -> None:
    seconds = max(10, int(60 * scale))
    with four_workers(tmp_path) as pagi, asking(pagi.port) as outcome:
        end = time.monotonic() + seconds
        kills = in_hand = 0
        while time.monotonic() < end:
            until(pagi.workers, "there is a worker")
            victim = psutil.Process(min(pagi.workers()))
            victim.suspend()  # else a connection more could come between the count and the end
            in_hand += sum(each.status == psutil.CONN_ESTABLISHED for each in victim.net_connections("tcp"))
            victim.kill()
            kills += 1
            time.sleep(1)
        pagi.until(lambda: len(pagi.workers()) == 4, "all four are there again")
    print(f"\n{kills} workers killed in {seconds} s with {in_hand} connections, {outcome.requests} requests, {outcome.errors} failed")
    assert outcome.errors <= in_hand, outcome.text
    assert "connect 0," in outcome.text or outcome.errors == 0
    assert "timeout 0" in outcome.text or outcome.errors == 0
