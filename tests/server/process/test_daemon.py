"""Leaving the terminal: who was started ends with the start's exit code, and who goes on belongs to no terminal."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

DAEMON = """
import json, os, sys, time
from pagi.server.process.daemon import leave_terminal, let_streams_go, tell
waits = leave_terminal()
print("starting", flush=True)
time.sleep(0.2)
with open({report!r} + ".new", "w") as file:
    json.dump([os.getpid(), os.getsid(0), os.getppid(), os.getcwd()], file)
os.rename({report!r} + ".new", {report!r})
{then}
"""


def start(folder: Path, then: str, *, stdout: int | None = None) -> tuple[int, list[int | str], str]:
    """Starts a daemon. Returns its exit code, what it says of itself, and what it printed before its caller ended."""
    report = folder / "report"
    code = DAEMON.format(report=str(report), then=then)
    done = subprocess.run([sys.executable, "-c", code], stdout=stdout or subprocess.PIPE, cwd=folder, timeout=20, check=False)
    return done.returncode, json.loads(report.read_text()), (done.stdout or b"").decode()


@pytest.mark.parametrize("code", [0, 2, 3])
def test_the_caller_ends_with_the_code_of_the_start(code: int, tmp_path: Path) -> None:
    returned, _, printed = start(tmp_path, f"let_streams_go(); tell(waits, {code})")
    assert returned == code
    assert printed == "starting\n"


def test_a_daemon_that_dies_before_it_says_how_it_went_is_a_failure(tmp_path: Path) -> None:
    assert start(tmp_path, "os._exit(0)")[0] == 1


def test_it_leads_no_session_and_stays_in_its_folder(tmp_path: Path) -> None:
    _, (pid, session, _, folder), _ = start(tmp_path, "let_streams_go(); tell(waits, 0)")
    assert session not in (pid, os.getsid(0))
    assert folder == str(tmp_path)


def test_a_stream_that_is_a_file_stays(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as file:
        start(tmp_path, "let_streams_go(); print('on', flush=True); tell(waits, 0)", stdout=file.fileno())
    assert log.read_text() == "starting\non\n"


def test_a_stream_that_is_a_pipe_ends_though_the_daemon_lives(tmp_path: Path) -> None:
    then = "let_streams_go(); print('to nobody', flush=True); tell(waits, 0); time.sleep(2)"
    code, (pid, *_), printed = start(tmp_path, then)  # it would wait for the end of the pipe
    assert (code, printed) == (0, "starting\n")
    os.kill(int(pid), 0)
