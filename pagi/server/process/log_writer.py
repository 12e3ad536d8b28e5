"""Log lines on their way out: a thread writes them, so that no loop waits for a disk, a terminal, or a pipe that nobody reads."""

import errno
import os
import select
import stat
import threading
import time
import weakref
from collections.abc import Callable

MOST_BYTES = 1024 * 1024
"""What may wait to be written. Some ten thousand lines: a reader that is away for seconds loses nothing."""
BATCH_BYTES = 64 * 1024
FLUSH_SECONDS = 1.0
"""How long an ending process waits for what is still to be written."""
NOT_NOW = {errno.EAGAIN, errno.EWOULDBLOCK}
GONE = {errno.EPIPE, errno.EBADF, errno.ECONNRESET, errno.ENOTCONN}
"""Nobody will ever read there again."""


class LogWriter:
    """Writes lines to a descriptor in the order they were put, by a thread of its own that begins with the first of them.

    Nobody who puts a line ever waits. While the descriptor takes nothing, up to `MOST_BYTES` are kept; lines past that are lost, and
    so are lines that the system refuses (a full disk). Both are told when it begins and, with their number, when it is over. A
    descriptor whose reader is gone is told once, and nothing is written any more.

    Args:
        tell: called with a sentence for the operator, whose subject is missing: `"cannot be written (...)"`.
    """

    def __init__(self, descriptor: int, tell: Callable[[str], None]) -> None:
        self._descriptor = descriptor
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
        self.is_failing = False
        """The system refused the last line."""
        self.is_broken = False
        """Nobody will read any more, and nothing is written."""
        # Several workers may share a pipe, and only pieces up to PIPE_BUF never mix there (POSIX, write). They hold whole lines.
        self._most = select.PIPE_BUF if _is_pipe(descriptor) else BATCH_BYTES
        _writers.add(self)

    def put(self, line: str, *, past_limit: bool = False) -> None:
        """Takes a line, without its end. It is lost if too much waits already, unless it may go `past_limit`."""
        data = line.encode("utf-8", "backslashreplace") + b"\n"
        loses = False
        with self._state:
            if self.is_broken:
                return
            if self._bytes + len(data) > MOST_BYTES and not past_limit:
                loses = self._loses(1)
            else:
                self._waiting.append(data)
                self._bytes += len(data)
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name="pagi log", daemon=True)
                    self._thread.start()
                elif not self._is_writing:
                    self._state.notify_all()
        if loses:
            self._tell(f"is read by nobody: {MOST_BYTES // 1024} KiB of it wait, what follows is lost until they are taken")

    def flush(self, seconds: float = FLUSH_SECONDS) -> bool:
        """Waits so long until everything was written. Returns whether it was."""
        with self._state:
            return self._state.wait_for(lambda: not self._waiting and not self._is_writing, seconds)

    def begin_anew(self) -> None:
        """In a child process: threads are not inherited, and what waits is the parent's to write."""
        self._state = threading.Condition()
        self._thread = None
        self._waiting, self._bytes, self._lost = [], 0, 0
        self._is_writing = self._is_torn = self.is_failing = False

    def _run(self) -> None:
        while True:
            with self._state:
                self._is_writing = False
                self._state.notify_all()
                self._state.wait_for(lambda: bool(self._waiting))
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
        error = self._give(b"\n" + data if self._is_torn else data)
        with self._state:
            self._bytes -= len(data)
            if error is None:
                told = self._recovers()
            elif error.errno in GONE:
                self.is_broken = True
                self._waiting, self._bytes = [], 0
                told = f"is read by nobody any more ({_reason(error)}): the rest of it is dropped"
            else:
                self._loses(len(batch))
                told = "" if self.is_failing else f"cannot be written ({_reason(error)}): its lines are lost while that is so"
                self.is_failing = True
        if told:
            self._tell(told)

    def _give(self, data: bytes) -> OSError | None:
        """Writes all of it, however long that takes. Returns why not, if so."""
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(self._descriptor, left) :]
            except OSError as error:
                if error.errno in NOT_NOW:  # whoever shares the descriptor made it so
                    _wait_writable(self._descriptor)
                    continue
                self._is_torn = self._is_torn or len(left) < len(data)
                return error
        self._is_torn = False
        return None

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


def _in_child() -> None:
    for writer in _writers:
        writer.begin_anew()


os.register_at_fork(after_in_child=_in_child)


def _is_pipe(descriptor: int) -> bool:
    return stat.S_ISFIFO(os.fstat(descriptor).st_mode)


def _wait_writable(descriptor: int) -> None:
    waiting = select.poll()
    waiting.register(descriptor, select.POLLOUT)
    waiting.poll()


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _lines(count: int) -> str:
    return "1 line was" if count == 1 else f"{count} lines were"
