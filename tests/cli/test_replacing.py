"""HUP and USR2: new code and new supervisors, without a moment in which nobody serves."""

import os
import signal
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.cli.developing import until
from tests.cli.supervised import APP, Supervised, body, request, supervised

TWO = ("--workers", "2")
LOOPS = ["uvloop", "asyncio", "trio"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project whose application says `one` and its process id."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "main.py").write_text(APP)
    return folder


def says(word: str) -> str:
    """The application, with another word."""
    return APP.replace('"one"', f'"{word}"')


@contextmanager
def asking(pagi: Supervised) -> Generator[list[str]]:
    """Somebody asks again and again, each time on a new connection. Gives what was answered; a request that fails is an error."""
    answers: list[str] = []
    failures: list[BaseException] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            try:
                answers.append(pagi.ask())
            except BaseException as error:
                failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []


# ---- HUP


@pytest.mark.parametrize("loop", LOOPS)
def test_hup_loads_new_code_and_loses_no_request(loop: str, folder: Path) -> None:
    with supervised(folder, "main:app", *TWO, "--loop", loop, "--timeout-keep-alive", "60") as pagi:
        before = pagi.workers()
        with asking(pagi) as answers, pagi.connect() as busy, pagi.connect() as idle:
            idle.sendall(request(close=False))
            assert b"one" in idle.recv(65536)
            pagi.write(says("two"))
            busy.sendall(request("/slow"))
            pagi.send(signal.SIGHUP)
            assert body(busy).startswith("one")
            pagi.until_said("rolled: 2 workers")
            idle.sendall(request(close=False))
            answer = idle.recv(65536)
            assert b"HTTP/1.1 200" in answer
            assert b"connection: close" in answer
        assert {answer.split()[0] for answer in answers} == {"one", "two"}
        assert pagi.ask().startswith("two")
        pagi.until(lambda: len(pagi.workers()) == 2 and not pagi.workers() & before, "the old ones are gone")
        assert pagi.end() == 0
    assert pagi.output.count("lifespan ended") == 4


def test_hup_with_code_that_does_not_import_changes_nothing_and_says_why(folder: Path) -> None:
    with supervised(folder, "main:app", *TWO) as pagi:
        before = pagi.workers()
        pagi.write("def broken():\n    raise LookupError('no such setting')\nbroken()\n")
        pagi.send(signal.SIGHUP)
        pagi.until_said("the roll stops here")
        assert "worker 1 could not start: main could not be imported: LookupError: no such setting" in pagi.output
        assert "in broken" in pagi.output
        assert pagi.workers() == before
        assert {pagi.ask().split()[0] for _ in range(5)} == {"one"}
        pagi.write(says("repaired"))
        pagi.send(signal.SIGHUP)
        pagi.until_said("rolled: 2 workers")
        assert pagi.ask().startswith("repaired")


def test_hup_reads_the_env_file_again(folder: Path) -> None:
    (folder / "x.env").write_text("WORD=first\n")
    pagi_reads = APP.replace('WORD = "one"', 'WORD = os.environ["WORD"]')
    (folder / "main.py").write_text(pagi_reads)
    with supervised(folder, "main:app", *TWO, "--env-file", "x.env") as pagi:
        assert pagi.ask().startswith("first")
        (folder / "x.env").write_text("WORD=second\n")
        pagi.send(signal.SIGHUP)
        pagi.until_said("rolled: 2 workers")
        assert pagi.ask().startswith("second")


# ---- USR2


def test_usr2_replaces_the_supervisor_and_loses_no_request(folder: Path) -> None:
    with supervised(folder, "main:app", *TWO, "--pid-file", "pid") as pagi:
        first = pagi.process.pid
        assert _pid(folder) == first
        pagi.write(says("two"))
        with asking(pagi) as answers:
            pagi.send(signal.SIGUSR2)
            assert pagi.exit_code() == 0
            second = _pid(folder)
            assert second != first
            os.kill(second, signal.SIGUSR2)
            until(lambda: _pid(folder) not in (first, second), "there is a third")
            until(lambda: not psutil.pid_exists(second), "the second is gone")
        assert {answer.split()[0] for answer in answers} == {"one", "two"}
        third = _pid(folder)
        assert pagi.ask().startswith("two")
        os.kill(third, signal.SIGTERM)
        until(lambda: not psutil.pid_exists(third), "the third ends")
        assert not (folder / "pid").exists()
    assert pagi.output.count("lifespan ended") == 6
    assert "Traceback" not in pagi.output


def test_a_successor_that_fails_changes_nothing_and_another_may_come(folder: Path) -> None:
    with supervised(folder, "main:app", *TWO, "--pid-file", "pid", "--bind", f"unix:{folder / 's'}", "--bind", "127.0.0.1:0") as pagi:
        before = pagi.workers()
        pagi.write("1 / 0\n")
        pagi.send(signal.SIGUSR2)
        pagi.until_said("which was to take over, ended (exit code 3); going on as before")
        assert "ZeroDivisionError" in pagi.output
        (folder / "pyproject.toml").write_text("[tool.pagi.server]\nnonsense = 1\n")
        pagi.send(signal.SIGUSR2)
        pagi.until_said("ended (exit code 2); going on as before")
        assert pagi.workers() == before
        assert _pid(folder) == pagi.process.pid
        assert pagi.ask().startswith("one")
        _ask_unix(folder / "s")
        (folder / "pyproject.toml").unlink()
        pagi.write(says("repaired"))
        pagi.send(signal.SIGUSR2)
        assert pagi.exit_code() == 0
        assert pagi.ask().startswith("repaired")
        _ask_unix(folder / "s")
        os.kill(_pid(folder), signal.SIGTERM)
        until(lambda: not (folder / "s").exists(), "the last one removes the socket's file")


def test_a_successor_may_have_other_addresses_and_another_pid_file(folder: Path) -> None:
    (folder / "pyproject.toml").write_text('[tool.pagi.server]\nbind = ["127.0.0.1:0"]\npid-file = "old.pid"\n')
    with supervised(folder, "main:app", *TWO, binds=False) as pagi:
        port = pagi.port
        (folder / "pyproject.toml").write_text(f'[tool.pagi.server]\nbind = ["127.0.0.1:{port}", "unix:s"]\npid-file = "pid"\n')
        pagi.send(signal.SIGUSR2)
        assert pagi.exit_code() == 0
        assert not (folder / "old.pid").exists()
        assert psutil.pid_exists(_pid(folder))
        assert pagi.ask().startswith("one")
        _ask_unix(folder / "s")


def test_a_successor_may_have_a_single_worker(folder: Path) -> None:
    (folder / "pyproject.toml").write_text("[tool.pagi.server]\nworkers = 2\n")
    with supervised(folder, "main:app") as pagi:
        (folder / "pyproject.toml").unlink()
        pagi.send(signal.SIGUSR2)
        assert pagi.exit_code() == 0
        pagi.until(lambda: len(pagi.answers()) == 1, "one worker answers")


def test_ending_the_old_one_ends_a_successor_that_does_not_serve_yet(folder: Path) -> None:
    with supervised(folder, "main:app", *TWO) as pagi:
        pagi.write("print('importing', flush=True)\nimport time\ntime.sleep(60)\n")
        pagi.send(signal.SIGUSR2)
        pagi.until_said("importing", 2)
        children = psutil.Process(pagi.process.pid).children(recursive=True)
        assert len(children) == 5
        assert pagi.end() == 0
        until(lambda: not any(child.is_running() for child in children), "nobody is left", seconds=3)


def test_usr2_while_the_first_workers_start_is_a_warning(folder: Path) -> None:
    (folder / "main.py").write_text("print('importing', flush=True)\nimport time\ntime.sleep(2)\n" + APP)
    with supervised(folder, "main:app", *TWO, listens=False) as pagi:
        pagi.until_said("importing", 2)
        pagi.send(signal.SIGUSR2)
        pagi.until_said("not replaced: the workers do not all serve yet")
        pagi.until_said("listening on")
        assert pagi.end() == 0


def _pid(folder: Path) -> int:
    return int((folder / "pid").read_text())


def _ask_unix(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(10)
        client.connect(str(path))
        client.sendall(request())
        assert body(client)
