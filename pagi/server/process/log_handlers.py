"""The handlers of our two logs. Their lines leave by a thread (`LogWriter`): no loop waits for a log, and a log that fails says so once."""

import logging
from abc import abstractmethod
from pathlib import Path
from typing import TextIO

from pagi.http.errors import ConfigError
from pagi.server.process.log_lines import BareFormatter
from pagi.server.process.log_writer import LogWriter

SERVER = "pagi"
ACCESS = "pagi.access"


class CannotLog(ConfigError):
    """A log file cannot be written, or two settings say where its lines go."""


class LineHandler(logging.Handler):
    """Gives lines to a writer, and hears from it what there is to tell an operator."""

    def __init__(self, stream: TextIO | None) -> None:
        super().__init__()
        self.writer = LogWriter(stream, self.tell)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception:
            self.handleError(record)
        else:
            self.writer.put(line)

    def flush(self) -> None:
        """Waits a moment until everything was written."""
        self.writer.flush()

    def close(self) -> None:
        """Lets the writer end, until the next line: whoever configures logging closes every handler there is, used or not."""
        self.writer.close()
        super().close()

    @abstractmethod
    def tell(self, words: str) -> None:
        """Something is wrong with this log, or is right again. The sentence has no subject."""


class ServerHandler(LineHandler):
    """Writes the server's lines. What is to be told of them stands among them."""

    def tell(self, words: str) -> None:
        if not self.writer.is_failing:
            record = logging.LogRecord(SERVER, logging.WARNING, __file__, 0, "this log %s", (words,), None)
            self.writer.put(self.format(record), past_limit=True)


class AccessHandler(LineHandler):
    """Writes access lines. What is to be told of them goes to the server's log."""

    def __init__(self, stream: TextIO | None) -> None:
        super().__init__(stream)
        self.setFormatter(BareFormatter())

    def tell(self, words: str) -> None:
        logging.getLogger(SERVER).warning("the access log %s", words)


class AccessFile(AccessHandler):
    """Appends access lines to a file, and can open it anew when it was rotated away.

    Raises:
        CannotLog: the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()  # whoever changes the folder of the process means another thing
        self._is_closed = False
        super().__init__(self._opened())

    def emit(self, record: logging.LogRecord) -> None:
        if self._is_closed:
            try:
                self._go_on_in(_appended(self.path))
            except OSError:
                self.handleError(record)
                return
        super().emit(record)

    def reopen(self) -> None:
        """Goes on in the file that bears the name now. One that cannot be opened is told; the old one stays in use."""
        try:
            fresh = self._opened()
        except CannotLog as error:
            logging.getLogger(SERVER).error("%s; its lines go on to the file that was open", error)
            return
        self.acquire()
        try:
            self.writer.close(stream=True)
            self._go_on_in(fresh)
        finally:
            self.release()

    def close(self) -> None:
        """Closes the file when its lines are written. The next line opens it again."""
        if not self._is_closed:
            self._is_closed = True
            self.writer.flush()
            self.writer.close(stream=True)
        super().close()

    def _go_on_in(self, stream: TextIO) -> None:
        self.writer = LogWriter(stream, self.tell)
        self._is_closed = False

    def _opened(self) -> TextIO:
        try:
            return _appended(self.path)
        except OSError as error:
            raise CannotLog(f"the access log {self.path} cannot be written: {error.strerror}") from error


def _appended(path: Path) -> TextIO:
    return path.open("a", encoding="utf-8", errors="backslashreplace")
