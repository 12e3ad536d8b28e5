"""Process 1: it hands signals on, buries orphans, and ends as whoever is in charge does.

A process namespace needs rights that not everybody has. Without them most of this is told of a process that orphans come to
though it is not the first.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from pagi import first_process
from tests.cli.developing import PATIENCE_SECONDS, is_alive, until

PROGRAM = Path(first_process.__file__)
LOOK_AFTER = """
import ctypes, os, signal, sys
sys.path.insert(0, {folder!r})
import first_process
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
signal.pthread_sigmask(signal.SIG_BLOCK, first_process.WATCHED)
reading, writing = os.pipe()
child = os.fork()
if child:
    os.close(writing)
    sys.exit(first_process.look_after(child, reading))
signal.pthread_sigmask(signal.SIG_UNBLOCK, first_process.WATCHED)
words = writing
{child}
"""


@contextmanager
def looking_after(child: str) -> Generator["subprocess.Popen[bytes]"]:
    """A process that looks after one that runs this code."""
    code = LOOK_AFTER.format(folder=str(PROGRAM.parent), child=child)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        yield process
    finally:
        for each in psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []:
            each.kill()
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def line(process: "subprocess.Popen[bytes]") -> str:
    """The next line it prints."""
    assert process.stdout is not None
    return process.stdout.readline().decode().strip()


@pytest.mark.parametrize(("end", "code"), [("os._exit(0)", 0), ("os._exit(3)", 3), ("os.kill(os.getpid(), 9)", 137)])
def test_it_ends_as_the_one_in_charge_does(end: str, code: int) -> None:
    with looking_after(end) as process:
        assert process.wait(PATIENCE_SECONDS) == code


@pytest.mark.parametrize("number", sorted(first_process.HANDED_ON))
def test_each_signal_is_handed_on(number: signal.Signals) -> None:
    told = f"signal.signal({int(number)}, lambda *_: (print('heard', flush=True), os._exit(7))); print('up', flush=True); signal.pause()"
    with looking_after(told) as process:
        assert line(process) == "up"
        process.send_signal(number)
        assert line(process) == "heard"
        assert process.wait(PATIENCE_SECONDS) == 7


def test_a_signal_that_nobody_waits_for_yet_is_kept() -> None:
    with looking_after("import time; time.sleep(0.5); os._exit(0)") as process:
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 128 + signal.SIGTERM


def test_orphans_are_buried() -> None:
    orphaned = """
if not os.fork():
    if not os.fork():
        print(os.getpid(), flush=True)
        os._exit(0)
    os._exit(0)
os.wait()
signal.pause()
"""
    with looking_after(orphaned) as process:
        pid = int(line(process))
        until(lambda: not psutil.pid_exists(pid), "the orphan is buried")
        assert process.poll() is None


def test_whoever_takes_charge_gets_the_signals_and_its_end_is_the_end() -> None:
    """As after USR2: the first one ends, its successor goes on."""
    handed_over = """
heir = os.fork()
if heir:
    signal.pause()
signal.signal(signal.SIGTERM, lambda *_: os._exit(9))
os.write(words, b"%d\\n" % os.getpid())
os.kill(os.getppid(), signal.SIGKILL)
print("in charge", flush=True)
while True:
    signal.pause()
"""
    with looking_after(handed_over) as process:
        assert line(process) == "in charge"
        time.sleep(0.2)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 9


def test_elsewhere_nothing_is_done() -> None:
    before = psutil.Process().children()
    first_process.step_aside()
    assert psutil.Process().children() == before


# ---- the real thing


def _may_unshare() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "--pid", "--fork", "true"], capture_output=True, check=False).returncode == 0


APP = """
import os, subprocess

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        print("lifespan ended", flush=True)
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["path"] == "/orphan":
        subprocess.run(["sh", "-c", "sleep 0.1 &"], check=True)
    send.full(200, [], str(os.getpid()).encode())
"""
SLOW = "import time\nprint('importing', flush=True)\ntime.sleep(60)\n"


@contextmanager
def first(folder: Path, *flags: str, before: Sequence[str] = ()) -> Generator[tuple["subprocess.Popen[bytes]", psutil.Process]]:
    """`pagi run` as process 1 of a namespace of its own; `before` starts it."""
    command = ["unshare", "--pid", "--fork", "--kill-child", *before, sys.executable, "-m", "pagi", "run", "main:app", *flags]
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    try:
        until(lambda: psutil.Process(process.pid).children(), "there is a process 1")
        yield process, psutil.Process(process.pid).children()[0]
    finally:
        process.kill()
        process.wait()


@pytest.mark.skipif(not _may_unshare(), reason="no process namespaces here")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_container_ends_gracefully_and_keeps_no_zombie(workers: str, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(APP)
    with first(tmp_path, "--workers", workers, "--uds", str(tmp_path / "s")) as (process, one):
        output = tmp_path / "output"
        until(lambda: "listening on" in output.read_text(), "it listens")
        ask = ["curl", "-s", "--unix-socket", str(tmp_path / "s"), "http://x/orphan"]
        assert int(subprocess.run(ask, check=True, capture_output=True).stdout) > 1
        until(lambda: all(is_alive(child) for child in one.children(recursive=True)), "nothing but living processes")
        one.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 0
        assert output.read_text().count("lifespan ended") == int(workers)


@pytest.mark.skipif(not _may_unshare(), reason="no process namespaces here")
def test_a_container_ends_while_it_is_still_importing(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(SLOW)
    with first(tmp_path, "--port", "0") as (process, one):
        until(lambda: "importing" in (tmp_path / "output").read_text(), "it imports")
        one.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 128 + signal.SIGTERM


@pytest.mark.skipif(not _may_unshare(), reason="no process namespaces here")
def test_a_container_without_standard_streams_ends_gracefully(tmp_path: Path) -> None:
    # A program that it runs prints to descriptor 1, whatever that has become.
    (tmp_path / "main.py").write_text("import subprocess\nsubprocess.run(['echo', 'hello'])\n" + APP)
    closed = ("sh", "-c", 'exec "$@" <&- >&-', "sh")
    with first(tmp_path, "--uds", str(tmp_path / "s"), before=closed) as (process, one):
        until(lambda: "listening on" in (tmp_path / "output").read_text(), "it listens")
        one.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 0


SLOW_PACKAGE = """
import sys

class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "pagi.application":
            print("importing", flush=True)
            import time
            time.sleep(60)

sys.meta_path.insert(0, Slow())
"""


@pytest.mark.skipif(not _may_unshare(), reason="no process namespaces here")
def test_a_container_ends_while_pagi_itself_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sitecustomize.py").write_text(SLOW_PACKAGE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with first(tmp_path, "--port", "0") as (process, one):
        until(lambda: "importing" in (tmp_path / "output").read_text(), "it imports")
        one.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 128 + signal.SIGTERM


@pytest.mark.skipif(not _may_unshare(), reason="no process namespaces here")
def test_a_program_that_imports_pagi_stays_process_1() -> None:
    tell = "import pagi, os, signal; print(os.getpid(), signal.pthread_sigmask(signal.SIG_BLOCK, []))"
    told = subprocess.run(["unshare", "--pid", "--fork", sys.executable, "-c", tell], capture_output=True, check=True, text=True)
    assert told.stdout == "1 set()\n"


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        (["python", "/app/bin/pagi", "run"], ["/app/bin/pagi", "run"]),
        (["python", "-m", "pagi", "run"], ["-m", "run"]),
        (["python", "-mpagi", "run"], ["-m", "run"]),
        (["python", "-I", "-m", "pagi"], ["-m"]),
    ],
)
def test_the_command_is_known_by_how_python_was_started(words: list[str], arguments: list[str]) -> None:
    assert first_process.is_command(words, arguments)


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        (["python", "server.py", "pagi"], ["server.py", "pagi"]),
        (["python", "server.py", "-m", "pagi"], ["server.py", "-m", "pagi"]),
        (["python", "-m", "server", "pagi"], ["-m", "pagi"]),
        (["python", "-c", "import pagi"], ["-c"]),
        (["python"], [""]),
        ([], []),
    ],
)
def test_what_only_imports_pagi_is_not_the_command(words: list[str], arguments: list[str]) -> None:
    assert not first_process.is_command(words, arguments)


@pytest.mark.skipif(not _may_unshare(), reason="no process namespaces here")
def test_a_container_outlives_the_replacement_of_its_supervisor(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(APP)
    with first(tmp_path, "--workers", "1", "--pid-file", "pid", "--uds", str(tmp_path / "s")) as (process, one):
        output = tmp_path / "output"
        until(lambda: "listening on" in output.read_text(), "it listens")
        before = (tmp_path / "pid").read_text()
        one.send_signal(signal.SIGUSR2)
        until(lambda: (tmp_path / "pid").read_text() != before, "another is in charge")
        one.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_SECONDS) == 0
        assert output.read_text().count("lifespan ended") == 2
        assert not os.path.exists(tmp_path / "s")
