"""What systemd is told, word for word, and how often."""

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pagi.server.process.systemd import PATIENCE_SECONDS, ServiceManager
from tests.server.conftest import Lines


@pytest.fixture(params=["path", "abstract"])
def listening(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """The variable that names systemd's socket, and the socket."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@pagi-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as opened:
        opened.bind(name.replace("@", "\0"))
        opened.settimeout(5)
        yield name, opened


def test_it_is_told_in_its_own_words(listening: tuple[str, socket.socket]) -> None:
    name, opened = listening
    manager = ServiceManager({"NOTIFY_SOCKET": name})
    for call in (manager.ready, manager.stopping, manager.alive, manager.reloading):
        call()
    manager.main_process(42)
    heard = [opened.recv(1024).decode() for _ in range(5)]
    assert heard[:3] == ["READY=1", "STOPPING=1", "WATCHDOG=1"]
    assert heard[3].startswith("RELOADING=1\nMONOTONIC_USEC=")
    assert heard[4] == "MAINPID=42"


def test_without_systemd_nothing_happens() -> None:
    ServiceManager({}).ready()


def test_a_socket_that_is_gone_is_a_warning_and_no_failure(tmp_path: Path, log: Lines) -> None:
    ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "gone")}).ready()
    assert "systemd could not be told READY=1: No such file or directory" in log.server


def test_a_systemd_that_takes_nothing_does_not_hold_us_up(listening: tuple[str, socket.socket], log: Lines) -> None:
    manager = ServiceManager({"NOTIFY_SOCKET": listening[0]})
    begun = time.monotonic()
    while not log.server:
        manager.alive()
    assert log.server == ["systemd could not be told WATCHDOG=1: Resource temporarily unavailable"]
    assert time.monotonic() - begun < PATIENCE_SECONDS
    manager.stopping()
    assert "systemd could not be told STOPPING=1: timed out" in log.server
    assert time.monotonic() - begun < 3 * PATIENCE_SECONDS


@pytest.mark.parametrize(
    ("environment", "seconds"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "20000000"}, 10.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": str(os.getpid())}, 10.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_hears_of_us_twice_in_its_time(environment: dict[str, str], seconds: float | None) -> None:
    assert ServiceManager(environment).watchdog_seconds == seconds
