"""`pagi run` with workers, as an operator has it: a supervisor in a process group of its own, and what becomes of its workers."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.cli.developing import PATIENCE_SECONDS, is_alive, until

LISTENING = re.compile(r"listening on .*?https?://127\.0\.0\.1:(\d+)")

APP = """
import os, threading, time
import anyio

WORD = "one"

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        print("lifespan ended", flush=True)
        await send({"type": "lifespan.shutdown.complete"})
        return
    path = scope["path"]
    if path == "/slow":
        await anyio.sleep(1)
    elif path == "/stuck":
        await anyio.sleep(60)
    elif path == "/block":
        block()
    elif path == "/exit":
        os._exit(5)
    send.full(200, [], f"{WORD} {os.getpid()}".encode())

def block():
    time.sleep(60)
"""


class Supervised:
    """One running supervisor."""

    def __init__(self, folder: Path, process: "subprocess.Popen[bytes]", output: Path) -> None:
        self.folder = folder
        self.process = process
        self._output = output

    @property
    def output(self) -> str:
        """All that it and its workers printed so far."""
        return self._output.read_text()

    @property
    def port(self) -> int:
        """Where it listens."""
        found = LISTENING.search(self.output)
        assert found is not None, self.output
        return int(found[1])

    def workers(self) -> set[int]:
        """The process ids of its workers, those that leave as well."""
        try:
            return {child.pid for child in psutil.Process(self.process.pid).children() if is_alive(child)}
        except psutil.NoSuchProcess:
            return set()

    def connect(self) -> socket.socket:
        """A connected client."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_SECONDS)

    def ask(self, path: str = "/") -> str:
        """The body of an answer, on a connection of its own."""
        with self.connect() as client:
            client.sendall(request(path))
            return body(client)

    def answers(self) -> set[str]:
        """What several connections in a row are answered."""
        return {self.ask() for _ in range(12)}

    def until_said(self, text: str, times: int = 1) -> None:
        """Waits for its words. A process that ended with 0 may have left them to a daemon, or to its successor."""
        self.until(lambda: self.output.count(text) >= times or self.process.poll(), f"it says {text!r}, {times} times")
        assert self.output.count(text) >= times, f"it ended with {self.process.returncode}, and did not say {text!r}:\n{self.output}"

    def until(self, holds: Callable[[], object], what: str) -> None:
        """Waits until it does."""
        try:
            until(holds, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.output}") from None

    def send(self, number: signal.Signals) -> None:
        """Sends it a signal."""
        self.process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ends it as an operator would. Returns the exit code."""
        self.send(number)
        return self.exit_code()

    def exit_code(self) -> int:
        """Waits for its end."""
        return self.process.wait(PATIENCE_SECONDS)

    def write(self, text: str, name: str = "main.py") -> None:
        """Puts other code in place. The file's time is that of no other version, so that no compiled one is taken for it."""
        path = self.folder / name
        path.write_text(text)
        stamp = time.time_ns() - len(self.output) * 1_000_000_000
        os.utime(path, ns=(stamp, stamp))


def request(path: str = "/", close: bool = True) -> bytes:
    """A plain request."""
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n{'Connection: close' if close else 'X: y'}\r\n\r\n".encode()


def body(client: socket.socket) -> str:
    """The body of the one answer that this connection gets."""
    data = b""
    while more := client.recv(65536):
        data += more
    head, _, text = data.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), data
    return text.decode()


@contextmanager
def supervised(
    folder: Path,
    *args: str,
    listens: bool = True,
    binds: bool = True,
    environment: Mapping[str, str] | None = None,
    python: str | None = None,
) -> Generator[Supervised]:
    """Runs `pagi run` in `folder`, on a free port unless `--bind` or the settings name one; whoever still lives in the end is killed."""
    output = folder.parent / f"{folder.name}.output"
    given = {name: value for name, value in os.environ.items() if not name.startswith("PAGI_") and name not in ("PORT", "WEB_CONCURRENCY")}
    where = ["--port", "0"] if binds and "--bind" not in args else []
    command = [python or sys.executable, "-m", "pagi", "run", *args, *where]
    with output.open("wb") as file:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**given, **(environment or {})},
            stdout=file,
            stderr=file,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    running = Supervised(folder, process, output)
    try:
        if listens:
            running.until_said("listening on")
        yield running
    finally:
        # A successor may have taken over: all of it is one session.
        for pid in [pid for pid in psutil.pids() if _session(pid) == process.pid]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0
