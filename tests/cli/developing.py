"""`pagi dev` as a developer runs it: in a process of its own, its files changed under its feet, and what becomes of all that."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import psutil

PATIENCE_SECONDS = 60.0
ADDRESS = re.compile(r"https?://127\.0\.0\.1:(\d+)")


def until(holds: Callable[[], object], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Waits until it does.

    Raises:
        AssertionError: it did not in time.
    """
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.02)


def is_alive(process: psutil.Process) -> bool:
    """Running, and not merely a number that nobody has asked for yet."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


class Developing:
    """One running `pagi dev` over a folder."""

    def __init__(self, folder: Path, process: "subprocess.Popen[bytes]", output: Path) -> None:
        self.folder = folder
        self.process = process
        self._output = output

    @property
    def output(self) -> str:
        """All it printed so far."""
        return self._output.read_text()

    @property
    def port(self) -> int:
        """Where it listens."""
        found = ADDRESS.search(self.output)
        assert found is not None, self.output
        return int(found[1])

    @property
    def child(self) -> psutil.Process:
        """The process that serves."""
        children = psutil.Process(self.process.pid).children()
        assert len(children) == 1, children
        return children[0]

    def get(self, path: str = "/", accept: str = "*/*") -> httpx2.Response:
        """An answer, on a connection of its own; it waits while the code is loaded."""
        return httpx2.get(f"http://127.0.0.1:{self.port}{path}", headers={"accept": accept}, timeout=PATIENCE_SECONDS)

    def write(self, name: str, text: str) -> None:
        """Changes a file at once, as editors do."""
        fresh = self.folder / f".{name}.new"
        fresh.write_text(text)
        fresh.replace(self.folder / name)

    def until_printed(self, text: str, times: int = 1) -> None:
        """Waits for its words."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self.output.count(text) < times:
            assert time.monotonic() < deadline, f"{text!r} was not printed {times} times, but:\n{self.output}"
            assert self.process.poll() is None or self.output.count(text) >= times, f"it ended:\n{self.output}"
            time.sleep(0.02)

    def until_answered(self, text: str) -> None:
        """Waits until the code that answers is that which says so."""

        def answers() -> bool:
            try:
                return self.get().text == text
            except (httpx2.RemoteProtocolError, httpx2.ReadError):
                return False  # the old process had taken the connection, and ended before the request was sent

        until(answers, f"the answer {text!r}")

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ends it as an operator would, and returns the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECONDS)


@contextmanager
def developing(folder: Path, *args: str, listens: bool = True) -> Generator[Developing]:
    """Runs `pagi dev` in `folder`, on a free port; what still lives at the end of it is killed."""
    output = folder.parent / f"{folder.name}.output"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PAGI_") and name != "PORT"}
    with output.open("wb") as file:
        command = [sys.executable, "-m", "pagi", "dev", *args, "--port", "0"]
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True
        )
    running = Developing(folder, process, output)
    children: list[psutil.Process] = []
    try:
        if listens:
            running.until_printed("listening on")
            children = psutil.Process(process.pid).children()
        yield running
    finally:
        if process.poll() is None:
            children += psutil.Process(process.pid).children()
            process.kill()
        process.wait()
        for child in children:
            if is_alive(child):
                child.kill()


def open_stream(port: int, path: str) -> socket.socket:
    """An event stream whose first event has come."""
    client = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS)
    client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n".encode())
    data = b""
    while b"data: 1" not in data:
        more = client.recv(65536)
        assert more, data
        data += more
    return client
