"""Logs that cannot be written: a full disk, a pipe whose reader is gone, a pipe that nobody reads. The server serves on and says so."""

import os
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tests.faults.conftest import APP
from tests.faults.latency import latency_of
from tests.server.child import Child, read_until, running

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/dev/full and prlimit are Linux's")

KIB = 1024
MIB = 1024 * KIB
FULL = Path("/dev/full")
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
PATIENCE_SECONDS = 30.0
QUIET_BOUND = 100.0


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


@contextmanager
def logging_to(stdout: int, stderr: int, loop: str, *flags: str) -> Generator[Child]:
    """A server with these as its stdout and stderr, which need not tell anything."""
    port = free_port()
    command = [sys.executable, "-m", "pagi", "run", str(APP), "--port", str(port), "--loop", loop, *flags]
    process = subprocess.Popen(command, stdout=stdout, stderr=stderr, stdin=subprocess.DEVNULL)
    child = Child(process, Path(os.devnull), Path(os.devnull))
    child.port = port
    try:
        until = time.monotonic() + 20
        while True:
            try:
                child.connect().close()
                break
            except ConnectionRefusedError:
                assert process.poll() is None
                assert time.monotonic() < until
                time.sleep(0.02)
        yield child
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def ask(child: Child, count: int, request: bytes = GET, mark: bytes = b"hello") -> None:
    """So many requests, some hundred at once on one connection, all answered."""
    with child.connect() as client:
        while count:
            some = min(count, 200)
            client.sendall(request * some)
            seen = b""
            while seen.count(mark) < some:
                more = client.recv(MIB)
                assert more
                seen += more
            count -= some


def end(child: Child) -> None:
    """It ends as it should, and soon."""
    child.signal(signal.SIGTERM)
    assert child.exit_code() == 0


def eventually_told(stderr: Path, words: str) -> str:
    """The one line of the server's log with these words."""
    until = time.monotonic() + PATIENCE_SECONDS
    while words not in stderr.read_text():
        assert time.monotonic() < until, stderr.read_text()
        time.sleep(0.02)
    (line,) = [line for line in stderr.read_text().splitlines() if words in line]
    return line


class Pipe:
    """A pipe, and all that came out of it once it is read."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        self.data = b""
        self.thread = threading.Thread(target=self._read)

    def _read(self) -> None:
        while more := os.read(self.reading, MIB):
            self.data += more

    def hand_over(self) -> None:
        """The writing end is another's now."""
        os.close(self.writing)

    def read(self) -> None:
        """Reads from now on, to the end."""
        self.thread.start()

    def lines(self) -> list[str]:
        """All of them, when the last writer is gone."""
        self.thread.join()
        os.close(self.reading)
        return self.data.decode().splitlines()


def test_a_full_disk_under_the_access_log(loop: str, tmp_path: Path) -> None:
    with FULL.open("w") as full, (tmp_path / "stderr").open("w") as errors:
        with logging_to(full.fileno(), errors.fileno(), loop) as child:
            ask(child, 1000)
            eventually_told(tmp_path / "stderr", "the access log cannot be written (No space left on device)")
            end(child)
    assert len((tmp_path / "stderr").read_text().splitlines()) < 12


def test_a_full_disk_under_both_logs(loop: str) -> None:
    with FULL.open("w") as full, logging_to(full.fileno(), full.fileno(), loop) as child:
        ask(child, 1000)
        memory = child.rss()
        for _ in range(5):
            ask(child, 1000)
            child.connect().close()
        assert child.rss() - memory < 4 * MIB
        end(child)


def test_a_disk_that_is_full_for_a_while_loses_what_it_says(loop: str, tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    with running(tmp_path, APP, "--loop", loop, "--access-log-file", str(log)) as child:
        ask(child, 100)
        ours = psutil.Process(child.process.pid)
        ours.rlimit(resource.RLIMIT_FSIZE, (16 * KIB, resource.RLIM_INFINITY))
        ask(child, 400)
        eventually_told(tmp_path / "stderr", "the access log cannot be written (File too large)")
        ours.rlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        ask(child, 100)
        line = eventually_told(tmp_path / "stderr", "the access log goes on")
        end(child)
    lost = re.search(r"(\d+) lines were lost", line)
    assert lost is not None
    lines = log.read_text().splitlines()
    whole = [line for line in lines if '"GET / HTTP/1.1" 200 5B' in line and line.endswith("ms")]
    assert len(lines) - len(whole) <= 1  # that which was cut off
    assert len(whole) + int(lost[1]) == 600


def test_an_access_log_whose_reader_is_gone(loop: str, tmp_path: Path) -> None:
    pipe = Pipe()
    with (tmp_path / "stderr").open("w") as errors, logging_to(pipe.writing, errors.fileno(), loop) as child:
        pipe.hand_over()
        os.close(pipe.reading)
        ask(child, 1000)
        eventually_told(tmp_path / "stderr", "the access log is read by nobody any more (Broken pipe)")
        end(child)
    assert "Traceback" not in (tmp_path / "stderr").read_text()


def test_an_access_log_that_nobody_reads_holds_nobody_up_and_what_is_lost_is_told(loop: str, tmp_path: Path) -> None:
    pipe = Pipe()
    count = 3000  # of 1 KiB each: the pipe takes 64 KiB, the server keeps 1 MiB
    long = b"GET /" + b"a" * KIB + b" HTTP/1.1\r\nHost: x\r\n\r\n"
    with (tmp_path / "stderr").open("w") as errors, logging_to(pipe.writing, errors.fileno(), loop) as child:
        pipe.hand_over()
        memory = child.rss()
        ask(child, count, long)
        eventually_told(tmp_path / "stderr", "the access log is read by nobody: 1024 KiB of it wait")
        assert child.rss() - memory < 8 * MIB
        assert latency_of(child.port, 0.3).p99 < QUIET_BOUND
        pipe.read()
        line = eventually_told(tmp_path / "stderr", "the access log goes on")
        end(child)
    lost = re.search(r"(\d+) lines were lost", line)
    assert lost is not None
    told = len(pipe.lines()) + int(lost[1])
    assert count <= told <= count + 1000  # with those that the latency was measured by


def test_a_server_whose_logs_nobody_reads_still_ends(loop: str) -> None:
    pipe = Pipe()
    with logging_to(pipe.writing, pipe.writing, loop) as child:
        pipe.hand_over()
        ask(child, 2000)
        began = time.monotonic()
        end(child)
        assert time.monotonic() - began < 5
    os.close(pipe.reading)


def test_errors_that_nobody_reads_hold_nobody_up_and_what_is_lost_is_told(loop: str) -> None:
    pipe = Pipe()
    with logging_to(subprocess.DEVNULL, pipe.writing, loop) as child:
        pipe.hand_over()
        for _ in range(400):
            with child.connect() as client:
                client.sendall(b"GET /fail?4000 HTTP/1.1\r\nHost: x\r\n\r\n")
                read_until(client, b"HTTP/1.1 500 ")
        assert latency_of(child.port, 0.3).p99 < QUIET_BOUND
        pipe.read()
        ask(child, 1)
        child.get("/")
        time.sleep(0.5)
        end(child)
    text = "\n".join(pipe.lines())
    assert "this log is read by nobody: 1024 KiB of it wait" in text
    lost = re.search(r"this log goes on: (\d+) lines were lost", text)
    assert lost is not None
    assert text.count("RuntimeError: as asked") + int(lost[1]) == 400
