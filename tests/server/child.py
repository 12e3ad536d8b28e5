"""A server in a process of its own, started by the command as an operator would, and what became of it."""

import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

START_SECONDS = 20.0
LISTENING = re.compile(r"listening on (?:.*https?://127\.0\.0\.1:(\d+))?.*\n")
READ_SECONDS = 10.0
FREE_PORT = ("--port", "0")


class Child:
    """One running `pagi run`."""

    def __init__(self, process: "subprocess.Popen[bytes]", stdout: Path, stderr: Path) -> None:
        self.process = process
        self.port = 0
        self._stdout = stdout
        self._stderr = stderr

    @property
    def stderr(self) -> str:
        """What it said so far."""
        return self._stderr.read_text()

    @property
    def stdout(self) -> str:
        """Its access log so far."""
        return self._stdout.read_text()

    def rss(self) -> int:
        """Bytes of memory it holds."""
        return int(psutil.Process(self.process.pid).memory_info().rss)

    def connect(self) -> socket.socket:
        """A connected client."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=READ_SECONDS)

    def get(self, path: str, client: socket.socket | None = None) -> bytes:
        """The body of a plain answer, on a connection of its own; `client` is one that was made elsewhere."""
        with client or self.connect() as client:
            client.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            data = b""
            while more := client.recv(65536):
                data += more
        head, _, body = data.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 "), head
        return body

    def until_said(self, text: str, times: int = 1) -> None:
        """Waits for its words: a log line leaves by a thread, a moment after what it tells of."""
        until = time.monotonic() + READ_SECONDS
        while self.stderr.count(text) < times:
            assert time.monotonic() < until, f"it did not say {text!r} {times} times: {self.stderr}"
            time.sleep(0.02)

    def signal(self, number: signal.Signals) -> None:
        """Sends it a signal."""
        self.process.send_signal(number)

    def exit_code(self, seconds: float = 10.0) -> int:
        """Waits for its end."""
        return self.process.wait(seconds)

    def wait_to_listen(self) -> None:
        """Waits until it says where it listens."""
        until = time.monotonic() + START_SECONDS
        while (found := LISTENING.search(self.stderr)) is None:
            assert self.process.poll() is None, f"it ended with {self.process.returncode}: {self.stderr}"
            assert time.monotonic() < until, f"it does not listen: {self.stderr}"
            time.sleep(0.02)
        self.port = int(found[1] or 0)


@contextmanager
def running(
    folder: Path,
    app: Path | str,
    *flags: str,
    where: Sequence[str] = FREE_PORT,
    listens: bool = True,
    before: Sequence[str] = (),
    descriptors: Sequence[int] = (),
) -> Generator[Child]:
    """Runs `pagi run APP` on a free port, or `where` it is told; its output in files of `folder`. Kills it at the end if it still lives.

    It is started through the command `before`, and gets these `descriptors`.
    """
    stdout, stderr = folder / "stdout", folder / "stderr"
    with stdout.open("wb") as out, stderr.open("wb") as err:
        command = [*before, sys.executable, "-m", "pagi", "run", str(app), *where, *flags]
        process = subprocess.Popen(command, stdout=out, stderr=err, stdin=subprocess.DEVNULL, pass_fds=descriptors)
    child = Child(process, stdout, stderr)
    try:
        if listens:
            child.wait_to_listen()
        yield child
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def read_until(client: socket.socket, mark: bytes) -> bytes:
    """Everything up to `mark` and what came with it."""
    data = b""
    while mark not in data:
        more = client.recv(65536)
        assert more, f"the connection ended before {mark!r}: {data!r}"
        data += more
    return data


def read_rest(client: socket.socket) -> bytes:
    """Everything up to the end, orderly or by a reset."""
    data = b""
    try:
        while more := client.recv(65536):
            data += more
    except ConnectionResetError:
        pass
    return data
