"""The thread that writes log lines: in order, never waited for, and what is lost is told with its number."""

import io
import os
import re
import select
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import pytest

from pagi.server.process.log_writer import MOST_BYTES, LogWriter

LINE = "x" * 99
PATIENCE_SECONDS = 30.0


class Told(list[str]):
    """What the operator was told."""

    def __call__(self, words: str) -> None:
        self.append(words)

    def wait_for(self, count: int) -> None:
        """Waits until so much was told."""
        until = time.monotonic() + PATIENCE_SECONDS
        while len(self) < count:
            assert time.monotonic() < until, self
            time.sleep(0.005)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def pipe() -> Generator[tuple[int, TextIO]]:
    """Reading and writing end."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as stream:
        yield reading, stream
        with suppress(OSError):  # the test may have closed it; else it frees a thread that still writes
            os.close(reading)


def read_lines(reading: int, count: int) -> list[str]:
    """So many lines of a pipe."""
    data = b""
    while data.count(b"\n") < count:
        data += os.read(reading, 65536)
    return data.decode().splitlines()


def test_lines_are_written_in_order(tmp_path: Path, told: Told) -> None:
    with (tmp_path / "log").open("w") as stream:
        writer = LogWriter(stream, told)
        for number in range(10_000):
            writer.put(f"line {number} käse")
        assert writer.flush(PATIENCE_SECONDS)
    assert (tmp_path / "log").read_text().splitlines() == [f"line {number} käse" for number in range(10_000)]
    assert told == []


def test_nobody_waits_for_a_pipe_that_is_not_read_and_what_is_lost_is_told(pipe: tuple[int, TextIO], told: Told) -> None:
    reading, writing = pipe
    writer = LogWriter(writing, told)
    count = 3 * MOST_BYTES // 100
    began = time.thread_time()
    for number in range(count):
        writer.put(f"{number:099}")
    assert time.thread_time() - began < 1
    assert not writer.flush(0.05)
    assert told == ["is read by nobody: 1024 KiB of it wait, what follows is lost until they are taken"]
    kept: list[str] = []
    while len(told) < 2:
        if select.select([reading], [], [], 0.01)[0]:
            kept += read_lines(reading, 1)
    writer.put("after")
    while kept[-1] != "after":
        kept += read_lines(reading, 1)
    numbers = [int(line) for line in kept[:-1]]
    assert numbers == sorted(set(numbers))
    assert re.fullmatch(rf"goes on: {count - len(numbers)} lines were lost in \d+\.\d s", told[1])


def test_little_is_kept_for_a_pipe_that_is_not_read(pipe: tuple[int, TextIO], told: Told) -> None:
    writer = LogWriter(pipe[1], told)
    tracemalloc.start()
    try:
        for _ in range(100_000):
            writer.put(LINE)
        assert tracemalloc.get_traced_memory()[0] < 2 * MOST_BYTES
    finally:
        tracemalloc.stop()


def test_a_line_may_go_past_the_limit(pipe: tuple[int, TextIO], told: Told) -> None:
    reading, writing = pipe
    writer = LogWriter(writing, told)
    while not told:
        writer.put(LINE)
    writer.put("important", past_limit=True)
    lines: list[str] = []
    while "important" not in lines:
        lines += read_lines(reading, 1)
    assert lines[-1] == "important"


def test_a_full_disk_is_told_once_and_the_loss_when_it_is_over(tmp_path: Path, told: Told) -> None:
    with Path("/dev/full").open("w") as stream, (tmp_path / "log").open("w") as good:
        writer = LogWriter(stream, told)
        for _ in range(3):
            writer.put(LINE)
            writer.flush(PATIENCE_SECONDS)
        assert told == ["cannot be written (No space left on device): its lines are lost while that is so"]
        os.dup2(good.fileno(), stream.fileno())
        writer.put("after")
        told.wait_for(2)
    assert told[1].startswith("goes on: 3 lines were lost in ")
    assert (tmp_path / "log").read_text() == "after\n"


def test_a_reader_that_is_gone_is_told_once(pipe: tuple[int, TextIO], told: Told) -> None:
    reading, writing = pipe
    writer = LogWriter(writing, told)
    os.close(reading)
    for _ in range(3):
        writer.put(LINE)
        writer.flush(PATIENCE_SECONDS)
    assert writer.is_broken
    assert told == ["is read by nobody any more (Broken pipe): the rest of it is dropped"]


def test_a_descriptor_that_does_not_block_loses_nothing(pipe: tuple[int, TextIO], told: Told) -> None:
    reading, writing = pipe
    os.set_blocking(writing.fileno(), False)
    writer = LogWriter(writing, told)
    for number in range(5000):  # the pipe takes 650 of them
        writer.put(f"{number:099}")
    assert read_lines(reading, 5000) == [f"{number:099}" for number in range(5000)]
    assert told == []


def test_lines_of_several_writers_on_one_pipe_never_mix(pipe: tuple[int, TextIO], told: Told) -> None:
    reading, writing = pipe
    writers = [LogWriter(writing, told) for _ in range(3)]

    def write(letter: str, writer: LogWriter) -> None:
        for _ in range(1000):
            writer.put(letter * 150)

    threads = [threading.Thread(target=write, args=pair) for pair in zip("abc", writers, strict=True)]
    for thread in threads:
        thread.start()
    lines = read_lines(reading, 3000)
    for thread in threads:
        thread.join()
    assert sorted(set(lines)) == [letter * 150 for letter in "abc"]


CUT = """
import os, resource, signal, sys
from pagi.server.process.log_writer import LogWriter
resource.setrlimit(resource.RLIMIT_FSIZE, (25, resource.RLIM_INFINITY))
told = []
writer = LogWriter(open(sys.argv[1], "a"), told.append)
for line in ("0123456789", "0123456789", "0123456789"):
    writer.put(line)
    writer.flush(5)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
writer.put("after")
writer.flush(5)
print(len(told), told[0])
"""


def test_a_line_that_was_cut_off_stays_a_line_of_its_own(tmp_path: Path) -> None:
    ran = subprocess.run([sys.executable, "-c", CUT, str(tmp_path / "log")], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("2 cannot be written (File too large)")
    assert (tmp_path / "log").read_text() == "0123456789\n0123456789\n012\nafter\n"


def test_where_no_thread_may_begin_any_more_lines_are_written_at_once(
    tmp_path: Path, told: Told, pipe: tuple[int, TextIO], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with (tmp_path / "log").open("w") as file:
        writer = LogWriter(file, told)
        writer.put("one")
        writer.put("two")
        assert (tmp_path / "log").read_text() == "one\ntwo\n"
    unread = LogWriter(pipe[1], told)
    for _ in range(100):
        unread.put("x" * 4000)  # more than a pipe takes: nobody waits
    assert len(os.read(pipe[0], 1 << 20)) >= 4001


def test_a_stream_that_is_no_file_is_written_at_once(told: Told) -> None:
    stream = io.StringIO()
    LogWriter(stream, told).put("line")
    assert stream.getvalue() == "line\n"


def test_a_stdout_that_was_closed_from_the_start_takes_everything_and_nothing(told: Told) -> None:
    writer = LogWriter(None, told)
    writer.put("line")
    assert writer.flush(0)
    assert told == []


def test_a_writer_that_is_closed_ends_its_thread_and_its_stream_after_the_last_line(tmp_path: Path, told: Told) -> None:
    stream = (tmp_path / "log").open("w")
    before = threading.active_count()
    writer = LogWriter(stream, told)
    for number in range(1000):
        writer.put(str(number))
    writer.close(stream=True)
    until = time.monotonic() + PATIENCE_SECONDS
    while not stream.closed or threading.active_count() > before:
        assert time.monotonic() < until
        time.sleep(0.005)
    assert (tmp_path / "log").read_text().splitlines() == [str(number) for number in range(1000)]


ENDED = """
import logging.config, sys
from pagi.server.options import LogOptions
from pagi.server.process.logs import set_up_logging
set_up_logging(LogOptions())
logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})
for number in range(1000):
    logging.getLogger("pagi.access").info("%d", number)
"""


def test_a_process_that_ends_has_written_its_last_line() -> None:
    ran = subprocess.run([sys.executable, "-c", ENDED], capture_output=True, text=True, check=True, timeout=30)
    assert ran.stdout.splitlines() == [str(number) for number in range(1000)]


FORKED = """
import os, sys
from pagi.server.process.log_writer import LogWriter
writer = LogWriter(sys.stdout, lambda words: None)
writer.put("parent")
writer.flush(5)
child = os.fork()
writer.put("child" if not child else "parent again")
writer.flush(5)
if not child:
    os._exit(0)
os.waitpid(child, 0)
"""


def test_a_forked_process_writes_its_lines_too() -> None:
    ran = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, check=True, timeout=30)
    assert sorted(ran.stdout.splitlines()) == ["child", "parent", "parent again"]
