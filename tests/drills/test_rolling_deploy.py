"""A deploy under hundreds of live clients: no event is lost or told twice, and every WebSocket is told before it is closed."""

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import psutil
import pytest

from tests.cli.supervised import Supervised, supervised
from tests.drills.appender import create
from tests.drills.conftest import WHOLE
from tests.faults.live_fleet import Outcome, live_clients
from tests.server.child import Child, running

pytestmark = pytest.mark.drill

HERE = Path(__file__).parent
APP = HERE / "rolling_app.py"
ROWS_PER_SECOND = 60.0
PAUSE_SECONDS = 4.0 if WHOLE else 1.5
"""Before, between and after deploys."""
DEPLOYS = 2
LOOPS = ["uvloop", "asyncio", "trio"]
"""In every other run than `make drill` each of the two kinds of deploy is made on some of them."""
PATIENCE_SECONDS = 60.0


def lost_none(outcome: Outcome, rows: Path, readers: int) -> None:
    """Every reader heard every event once and in order."""
    with closing(sqlite3.connect(rows)) as file:
        ((count,),) = file.execute("SELECT count(*) FROM events")
    assert outcome.wrong == []
    assert outcome.events == readers * count


def judge(outcome: Outcome, rows: Path, *, readers: int, sockets: int) -> None:
    """What holds for every deploy."""
    lost_none(outcome, rows, readers)
    assert outcome.streams.get("cut", 0) == 0
    assert outcome.sockets.get("cut without a Close", 0) == 0
    assert outcome.sockets["1001"] >= DEPLOYS * sockets
    assert outcome.echoes >= sockets


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of events, still empty; servers find it."""
    path = tmp_path / "events.db"
    create(str(path))
    monkeypatch.setenv("ROLLING_EVENTS", str(path))
    return path


@contextmanager
def four_workers(tmp_path: Path, loop: str) -> Generator[Supervised]:
    """A supervisor with four of them, which tail the file of events."""
    folder = tmp_path / "project"
    folder.mkdir()
    with supervised(folder, str(APP), "--workers", "4", "--loop", loop, "--no-access-log") as pagi:
        yield pagi


def deploy_under(port: int, rows: Path, deploy: Callable[[], None], *, readers: int, sockets: int) -> Outcome:
    """Appends rows all the time, and deploys meanwhile."""
    with live_clients(port, readers=readers, sockets=sockets) as fleet:
        command = [sys.executable, str(HERE / "appender.py"), str(rows), str(ROWS_PER_SECOND)]
        appender = subprocess.Popen(command, stdin=subprocess.PIPE)
        try:
            for _ in range(DEPLOYS):
                time.sleep(PAUSE_SECONDS)
                deploy()
            time.sleep(PAUSE_SECONDS)
            appender.communicate(timeout=PATIENCE_SECONDS)
            return fleet.wait(PATIENCE_SECONDS)
        finally:
            if appender.poll() is None:
                appender.kill()
                appender.communicate()


@pytest.mark.parametrize("loop", LOOPS if WHOLE else LOOPS[1:])
def test_a_restart_loses_no_event_and_cuts_no_websocket(loop: str, scale: float, tmp_path: Path, rows: Path) -> None:
    count = int(500 * scale)
    with ExitStack() as stack:
        servers: list[Child] = []

        def start(*flags: str) -> None:
            folder = tmp_path / f"server {len(servers)}"
            folder.mkdir()
            servers.append(stack.enter_context(running(folder, APP, "--loop", loop, "--no-access-log", *flags)))

        def restart() -> None:
            servers[-1].signal(signal.SIGTERM)
            start("--port", str(servers[0].port))

        start()
        outcome = deploy_under(servers[0].port, rows, restart, readers=count, sockets=count)
        print(f"\n{loop}: {DEPLOYS} restarts under {count} readers and {count} WebSockets: {outcome}")
        for server in servers[:-1]:
            assert server.exit_code() == 0
        for server in servers:
            assert "Traceback" not in server.stderr, server.stderr
        judge(outcome, rows, readers=count, sockets=count)


@pytest.mark.parametrize("loop", LOOPS if WHOLE else LOOPS[:1])
def test_a_rolling_deploy_loses_no_event_and_cuts_no_websocket(loop: str, scale: float, tmp_path: Path, rows: Path) -> None:
    count, rolled = int(500 * scale), 0
    with four_workers(tmp_path, loop) as pagi:

        def roll() -> None:
            nonlocal rolled
            rolled += 1
            pagi.send(signal.SIGHUP)
            pagi.until_said("rolled: 4 workers", times=rolled)

        outcome = deploy_under(pagi.port, rows, roll, readers=count, sockets=count)
        print(f"\n{loop}: {DEPLOYS} rolls of 4 workers under {count} readers and {count} WebSockets: {outcome}")
        assert "Traceback" not in pagi.output, pagi.output
        judge(outcome, rows, readers=count, sockets=count)
        assert pagi.end() == 0


@pytest.mark.parametrize("loop", LOOPS if WHOLE else LOOPS[2:])
def test_a_worker_that_is_killed_takes_nothing_with_it_but_its_own_lines(loop: str, scale: float, tmp_path: Path, rows: Path) -> None:
    count, killed = int(500 * scale), 0
    with four_workers(tmp_path, loop) as pagi:

        def kill() -> None:
            nonlocal killed
            killed += 1
            psutil.Process(next(iter(pagi.workers()))).kill()
            pagi.until_said("is ready after", times=4 + killed)

        outcome = deploy_under(pagi.port, rows, kill, readers=count, sockets=count)
        print(f"\n{loop}: {DEPLOYS} of 4 workers killed under {count} readers and {count} WebSockets: {outcome}")
        lost_none(outcome, rows, count)
        assert 0 < outcome.streams["cut"] < DEPLOYS * count
        assert 0 < outcome.sockets["cut without a Close"] < DEPLOYS * count
        # The others go on accepting: nobody comes in vain.
        assert "nobody listened" not in {*outcome.streams, *outcome.sockets}
        assert pagi.end() == 0
