"""A worker, as its supervisor talks to it: what it is told, what it says, and how it ends."""

import os
import select
import signal
import socket
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from pagi.cli.programs import worker_program
from pagi.cli.serving import Application
from pagi.server.options import server_options
from pagi.server.process.channel import Ask, Beat, Failed, Orders, Ready, Retire, Status, Word
from pagi.server.process.worker_process import Program, WorkerProcess
from tests.cli.developing import PATIENCE_SECONDS
from tests.cli.supervised import APP, body, request

LOOPS = ["uvloop", "asyncio", "trio"]


class Told:
    """A worker and all it said so far."""

    def __init__(self, process: WorkerProcess, port: int) -> None:
        self.process = process
        self.port = port
        self.words: list[Word] = []

    def hear(self, kind: type[Word]) -> Word:
        """The next word of a kind."""
        end = time.monotonic() + PATIENCE_SECONDS
        while True:
            for place, word in enumerate(self.words):
                if isinstance(word, kind):
                    del self.words[: place + 1]
                    return word
            assert not self.process.channel.has_ended, "it ended without a word"
            assert time.monotonic() < end, f"it never said {kind.__name__}"
            select.select([self.process.channel], [], [], 1)
            self.words += self.process.channel.receive()

    def ask(self, path: str) -> socket.socket:
        """A client that asked, and has no answer yet."""
        client = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_SECONDS)
        client.sendall(request(path))
        return client


@contextmanager
def worker(folder: Path, loop: str = "asyncio", **options: object) -> Generator[Told]:
    """A worker with the application of this folder; killed at the end if it still lives."""
    application = Application(app="main:app", folder=str(folder), env_file=None, arguments=["pagi", "run"])
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        orders = Orders(
            number=7,
            options=server_options(loop=loop, **options),
            sockets=[listening.fileno()],
            application=msgspec.Raw(msgspec.json.encode(application)),
        )
        program = Program(command=worker_program(), environment=dict(os.environ))
        process = WorkerProcess(program, orders, [listening.fileno()])
        try:
            yield Told(process, listening.getsockname()[1])
        finally:
            process.signal(signal.SIGKILL)
            process.wait(PATIENCE_SECONDS)
            process.let_go()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The application that says `one`."""
    (tmp_path / "main.py").write_text(APP)
    return tmp_path


@pytest.mark.parametrize("loop", LOOPS)
def test_it_says_that_it_serves_and_retires_when_it_is_told(loop: str, folder: Path) -> None:
    with worker(folder, loop) as told:
        told.hear(Ready)
        with told.ask("/slow") as client:
            time.sleep(0.2)
            told.process.send(Retire())
            assert body(client) == f"one {told.process.pid}"
        assert told.process.wait(PATIENCE_SECONDS) == 0


@pytest.mark.parametrize("loop", LOOPS)
def test_it_cuts_its_work_when_the_channel_ends(loop: str, folder: Path) -> None:
    with worker(folder, loop) as told:
        told.hear(Ready)
        with told.ask("/stuck"):
            time.sleep(0.2)
            told.process.let_go()
            assert told.process.wait(15.0) == 4  # it would work on for a minute


def test_it_beats_while_its_loop_turns_and_only_then(folder: Path) -> None:
    with worker(folder, worker_stall_seconds=0.6) as told:
        told.hear(Ready)
        for _ in range(3):
            told.hear(Beat)
        with told.ask("/block"):
            time.sleep(0.5)
            told.process.channel.receive()
            time.sleep(0.5)
            assert told.process.channel.receive() == []


def test_it_tells_of_itself(folder: Path) -> None:
    with worker(folder) as told:
        told.hear(Ready)
        with told.ask("/stuck"):
            time.sleep(0.3)
            told.process.send(Ask("status"))
            status = told.hear(Status)
            assert isinstance(status, Status)
            assert (status.about["pid"], status.about["worker"], status.about["connections"]) == (told.process.pid, 7, 1)


def test_what_it_does_not_know_it_does_not_tell_and_serves_on(folder: Path) -> None:
    with worker(folder) as told:
        told.hear(Ready)
        told.process.send(Ask("the time"))
        with told.ask("/") as client:
            assert body(client) == f"one {told.process.pid}"


@pytest.mark.parametrize(
    ("text", "code", "reason"),
    [
        ("1 / 0\n", 3, "main could not be imported: ZeroDivisionError: division by zero"),
        ("x = 1\n", 2, "main has no attribute 'app'"),
        ("from pagi import App\napp = App()\nfor _ in 'ab':\n    @app.get('/')\n    async def same(): ...\n", 3, "/"),
        ("async def app(scope, receive, send):\n    await send({'type': 'lifespan.startup.failed', 'message': 'no'})\n", 3, "no"),
    ],
)
def test_it_says_why_it_cannot_start(text: str, code: int, reason: str, folder: Path) -> None:
    (folder / "main.py").write_text(text)
    with worker(folder) as told:
        failed = told.hear(Failed)
        assert isinstance(failed, Failed)
        assert failed.code == code
        assert reason in failed.reason
        assert told.process.wait(PATIENCE_SECONDS) == code


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_it_leaves_signals_of_the_terminal_to_its_supervisor(number: signal.Signals, folder: Path) -> None:
    with worker(folder) as told:
        told.process.signal(number)  # before it can have said so
        told.hear(Ready)
        told.process.signal(number)
        with told.ask("/") as client:
            assert body(client) == f"one {told.process.pid}"


def test_programs_that_the_application_starts_hear_the_terminal(folder: Path) -> None:
    child = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler, signal.pthread_sigmask(0, []))"
    starts = f"import subprocess, sys\nWORD = subprocess.run([sys.executable, '-c', {child!r}], stdout=-1, text=True).stdout.strip()\n"
    (folder / "main.py").write_text(APP.replace('WORD = "one"', starts))
    with worker(folder) as told:
        told.hear(Ready)
        with told.ask("/") as client:
            assert body(client) == f"True set() {told.process.pid}"


def test_it_inherits_no_other_descriptors_than_it_was_given(folder: Path) -> None:
    extra = os.open(sys.executable, os.O_RDONLY)
    os.set_inheritable(extra, True)
    (folder / "main.py").write_text(APP.replace('WORD = "one"', "WORD = len([n for n in os.listdir('/proc/self/fd') if int(n) > 2])"))
    try:
        with worker(folder) as told:
            told.hear(Ready)
            with told.ask("/") as client:
                assert int(body(client).split()[0]) <= 4  # the socket, the channel, what waits for its end, and the folder that was listed
    finally:
        os.close(extra)
