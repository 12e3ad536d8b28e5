"""Log lines on their way out: a thread writes them, so that no loop waits for a disk, a terminal, or a pipe that nobody reads."""

import atexit
import errno
import os
import select
import stat
import threading
import time
import weakref
from collections.abc import Callable
from typing import TextIO

MOST_BYTES = 1024 * 1024
"""What may wait to be written. Some ten thousand lines: a reader that is away for seconds loses nothing."""
GATHER_SECONDS = 0.01
"""For so long lines are collected before they leave: a thread that wakes for each of them costs the loop a third more CPU time."""
BATCH_BYTES = 64 * 1024
FLUSH_SECONDS = 1.0
"""How long an ending process waits for what is still to be written."""
NOT_NOW = {errno.EAGAIN, errno.EWOULDBLOCK}
GONE = {errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.EBADF}
"""Nobody will ever read there again."""
_LINE_END = ord("\n")
STANDARD = (1, 2)
"""stdout and stderr."""


class LogWriter:
    """Writes lines to a stream in the order they were put, by a thread of its own that begins with the first of them.

    Nobody who puts a line ever waits. While the stream takes nothing, up to `MOST_BYTES` are kept; lines past that are lost, and so
    are lines that the system refuses (a full disk). Both are told when it begins and, with their number, when it is over. A stream
    whose reader is gone is told once, and leads nowhere from then on, for whoever else writes there too.

    A stream without a descriptor is a test's, or an application's own: it is written before `put` returns. No stream at all is what
    Python has for a stdout that was closed before it began: nothing is written.

    Args:
        tell: called with a sentence for the operator, whose subject is missing: `"cannot be written (...)"`.
    """

    def __init__(self, stream: TextIO | None, tell: Callable[[str], None]) -> None:
        self._stream = stream
        self._descriptor = _descriptor_of(stream)
        self._tell = tell
        self._state = threading.Condition()
        self._waiting: list[bytes] = []
        self._bytes = 0
        self._lost = 0
        self._began_losing = 0.0
        self._is_writing = False
        self._is_torn = False
        """The last line was cut off: the next begins a line of its own."""
        self._thread: threading.Thread | None = None
        self._is_closed = self._closes_stream = self._is_hurried = False
        self.is_failing = False
        """The system refused the last line."""
        self.is_broken = stream is None
        """Nobody will read any more, and nothing is written."""
        # Several workers may share a pipe, and only pieces up to PIPE_BUF never mix there (POSIX, write). They hold whole lines.
        self._most = select.PIPE_BUF if self._descriptor is not None and _is_pipe(self._descriptor) else BATCH_BYTES
        _writers.add(self)

    def put(self, line: str, *, past_limit: bool = False) -> None:
        """Takes a line, without its end. It is lost if too much waits already, unless it may go `past_limit`."""
        if self.is_broken:
            return
        data = line.encode("utf-8", "backslashreplace") + b"\n"
        if self._descriptor is None:
            self._bytes = len(data)
            self._write([data])
            return
        loses = False
        has_thread = True
        with self._state:
            if self._bytes + len(data) > MOST_BYTES and not past_limit:
                loses = self._loses(1)
            else:
                self._waiting.append(data)
                self._bytes += len(data)
                if self._thread is None:
                    has_thread = self._begin_thread()
                elif not self._is_writing:
                    self._state.notify_all()
        if not has_thread:
            self._write_at_once()
        if loses:
            self._tell(f"is read by nobody: {MOST_BYTES // 1024} KiB of it wait, what follows is lost until they are taken")

    def flush(self, seconds: float = FLUSH_SECONDS) -> bool:
        """Waits so long until everything was written. Returns whether it was."""
        with self._state:
            if self._waiting:
                self._is_hurried = True
                self._state.notify_all()
            done = self._state.wait_for(lambda: not self._waiting and not self._is_writing, seconds)
            self._is_hurried = False
            return done

    def close(self, *, stream: bool = False) -> None:
        """Lets the thread end when there is nothing more to write, and then closes the stream, if so wished.

        Whoever puts a line later begins another thread; the stream has to be open still.
        """
        with self._state:
            self._is_closed = True
            self._closes_stream = stream
            if not self._waiting and not self._is_writing:
                self._end_stream()
            self._state.notify_all()

    def begin_anew(self) -> None:
        """In a child process: threads are not inherited, and what waits is the parent's to write."""
        self._state = threading.Condition()
        self._thread = None
        self._waiting, self._bytes, self._lost = [], 0, 0
        self._is_writing = self._is_torn = self.is_failing = False

    def _begin_thread(self) -> bool:
        thread = threading.Thread(target=self._run, name="pagi log", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the system has none left, or the interpreter ends: from 3.12 on it lets none begin then
            return False
        self._thread = thread
        return True

    def _write_at_once(self) -> None:
        """Writes as much of what waits as is taken now: there is no thread to do it later."""
        while self._waiting and self._descriptor is not None and _is_writable(self._descriptor):
            with self._state:
                batch = self._take()
            self._write(batch)

    def _run(self) -> None:
        while True:
            with self._state:
                if not self._waiting:
                    self._is_writing = False
                    self._state.notify_all()
                    self._state.wait_for(lambda: self._waiting or self._is_closed)
                    if self._waiting and not self._is_closed:
                        self._is_writing = True
                        self._state.wait_for(lambda: self._is_hurried, GATHER_SECONDS)
                if not self._waiting:
                    self._thread, self._is_closed = None, False
                    self._end_stream()
                    return
                batch = self._take()
                self._is_writing = True
            self._write(batch)

    def _take(self) -> list[bytes]:
        """Lines for one write: as many as fit in it, and at least one."""
        size = count = 0
        for line in self._waiting:
            if count and size + len(line) > self._most:
                break
            size += len(line)
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch

    def _write(self, batch: list[bytes]) -> None:
        data = b"".join(batch)
        error, unwritten = self._give(b"\n" + data if self._is_torn else data)
        with self._state:
            self._bytes -= len(data)
            if error is None:
                told = self._recovers()
            elif error.errno in GONE:
                self.is_broken = True
                self._waiting, self._bytes = [], 0
                self._lead_nowhere()
                told = f"is read by nobody any more ({_reason(error)}): the rest of it is dropped"
            else:
                self._loses(_not_whole(batch, unwritten))
                told = "" if self.is_failing else f"cannot be written ({_reason(error)}): its lines are lost while that is so"
                self.is_failing = True
        if told:
            self._tell(told)

    def _give(self, data: bytes) -> tuple[OSError | None, int]:
        """Writes all of it, however long that takes. Returns why not, if so, and how many bytes were not written."""
        left = memoryview(data)
        while left:
            try:
                left = left[self._put_out(left) :]
            except OSError as error:
                if error.errno in NOT_NOW and self._descriptor is not None:  # whoever shares the descriptor made it so
                    _wait_writable(self._descriptor)
                    continue
                if len(left) < len(data):
                    self._is_torn = data[-len(left) - 1] != _LINE_END
                return error, len(left)
        self._is_torn = False
        return None, 0

    def _put_out(self, data: memoryview) -> int:
        if self._descriptor is not None:
            return os.write(self._descriptor, data)
        if self._stream is not None:
            self._stream.write(str(data, "utf-8"))
            self._stream.flush()
        return len(data)

    def _end_stream(self) -> None:
        if self._closes_stream and self._stream is not None:
            self._closes_stream = False
            self._stream.close()

    def _lead_nowhere(self) -> None:
        """Who prints there has no pleasure in errors either, and the interpreter flushes at its end: it would fail with exit code 120."""
        if self._descriptor in STANDARD:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self._descriptor)
            os.close(null)

    def _recovers(self) -> str:
        """Something was written. Returns what is to be told of lines that were lost, once much can be taken again."""
        self.is_failing = False
        lost = self._lost
        if not lost or self._bytes > MOST_BYTES // 2:
            return ""
        self._lost = 0
        return f"goes on: {_lines(lost)} lost in {time.monotonic() - self._began_losing:.1f} s"

    def _loses(self, lines: int) -> bool:
        """So many lines are lost. Returns whether they are the first."""
        first = not self._lost
        if first:
            self._began_losing = time.monotonic()
        self._lost += lines
        return first


_writers: "weakref.WeakSet[LogWriter]" = weakref.WeakSet()


def _begin_anew() -> None:
    for writer in _writers:
        writer.begin_anew()


def _flush_all() -> None:
    """The process ends. Not every handler is among those that `logging` flushes: `dictConfig` forgets those it does not name."""
    until = time.monotonic() + FLUSH_SECONDS
    for writer in _writers:
        writer.flush(max(until - time.monotonic(), 0))


os.register_at_fork(after_in_child=_begin_anew)
atexit.register(_flush_all)


def _descriptor_of(stream: TextIO | None) -> int | None:
    try:
        return stream.fileno() if stream is not None else None
    except (OSError, ValueError):
        return None


def _is_pipe(descriptor: int) -> bool:
    return stat.S_ISFIFO(os.fstat(descriptor).st_mode)


def _wait_writable(descriptor: int) -> None:
    waiting = select.poll()
    waiting.register(descriptor, select.POLLOUT)
    waiting.poll()


def _is_writable(descriptor: int) -> bool:
    waiting = select.poll()
    waiting.register(descriptor, select.POLLOUT)
    return bool(waiting.poll(0))


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _not_whole(lines: list[bytes], unwritten: int) -> int:
    """How many lines at the end of these are lost or cut off, if so many bytes were not written."""
    count = 0
    while unwritten > 0 and count < len(lines):
        count += 1
        unwritten -= len(lines[-count])
    return count


def _lines(count: int) -> str:
    return "1 line was" if count == 1 else f"{count} lines were"
