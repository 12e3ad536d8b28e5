"""Where log lines go: the server's to stderr, one for each exchange to stdout or a file; or wherever `--log-config` says."""

import logging
import os
import sys
from pathlib import Path
from typing import TextIO

from pagi.http.errors import ConfigError
from pagi.server.options import LogOptions
from pagi.server.process.log_config import configure_logging
from pagi.server.process.log_lines import BareFormatter, LineFormatter, wants_colour

SERVER = "pagi"
ACCESS = "pagi.access"

TRACE = 5
"""Below debug: every event of every exchange."""

LEVELS = {
    "critical": logging.CRITICAL,
    "error": logging.ERROR,
    "warning": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
    "trace": TRACE,
}


class CannotLog(ConfigError):
    """A log file cannot be written, or two settings say where its lines go."""


class AccessHandler(logging.StreamHandler[TextIO]):
    """Writes access lines as long as they can be written, and tells the server's log once when they cannot.

    A closed pipe drops them for good: nobody reads them any more. A full disk drops them while it is full.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self.setFormatter(BareFormatter())
        self.is_broken = False
        self._fails = False
        self._problem = ""

    def emit(self, record: logging.LogRecord) -> None:
        if self.is_broken:
            return
        failed_before, self._fails = self._fails, False
        self.write(record)
        if self._fails and not failed_before:
            logging.getLogger(SERVER).warning("the access log cannot be written (%s); its lines are lost while that is so", self._problem)

    def write(self, record: logging.LogRecord) -> None:
        """Writes a line; what fails is handed to `handleError`."""
        super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's own name)
        error = sys.exc_info()[1]
        if isinstance(error, BrokenPipeError):
            self.is_broken = True
            logging.getLogger(SERVER).warning("nobody reads the access log any more (broken pipe); the rest of it is dropped")
            self._give_up()
        elif isinstance(error, OSError):
            self._fails, self._problem = True, error.strerror or str(error)
        else:
            super().handleError(record)

    def _give_up(self) -> None:
        # The interpreter flushes stdout once more at its end, and would fail with exit code 120.
        if self.stream is sys.stdout:
            self.setStream(open(os.devnull, "w"))  # noqa: SIM115 (kept for the life of the process)
            os.dup2(self.stream.fileno(), sys.stdout.fileno())


class AccessFile(AccessHandler):
    """Appends access lines to a file, and can open it anew when it was rotated away.

    Raises:
        CannotLog: the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()  # whoever changes the folder of the process means another thing
        super().__init__(self._opened())

    def reopen(self) -> None:
        """Goes on in the file that bears the name now. One that cannot be opened is told; the old one stays in use."""
        try:
            fresh = self._opened()
        except CannotLog as error:
            logging.getLogger(SERVER).error("%s; its lines go on to the file that was open", error)
            return
        old = self.setStream(fresh)
        if old is not None:
            old.close()

    def write(self, record: logging.LogRecord) -> None:
        if self.stream.closed:
            try:
                self.stream = _appended(self.path)
            except OSError:
                self.handleError(record)
                return
        super().write(record)

    def _opened(self) -> TextIO:
        try:
            return _appended(self.path)
        except OSError as error:
            raise CannotLog(f"the access log {self.path} cannot be written: {error.strerror}") from error

    def close(self) -> None:
        """Closes the file until the next line: whoever configures logging closes every handler there is, used or not."""
        super().close()
        self.stream.close()


def _appended(path: Path) -> TextIO:
    return path.open("a", encoding="utf-8", errors="backslashreplace")


def set_up_logging(options: LogOptions) -> None:
    """Gives the loggers `pagi` and `pagi.access` their handlers, except where `log_config` names them. Called again, it replaces them.

    Every other logger is left alone, that of the application and the root logger too, unless `log_config` names it.

    Raises:
        ConfigError: a file cannot be read or written, or says what cannot be.
    """
    logging.addLevelName(TRACE, "TRACE")
    named = configure_logging(Path(options.log_config)) if options.log_config is not None else frozenset[str]()
    if SERVER not in named:
        server = logging.StreamHandler(sys.stderr)
        server.setFormatter(LineFormatter(colour=wants_colour(sys.stderr) if options.use_colors is None else options.use_colors))
        _give(SERVER, server, LEVELS[options.log_level])
    if ACCESS not in named:
        set_up_access_log(options)
    elif options.access_log_file is not None:
        raise CannotLog(
            f"{options.log_config} names the logger {ACCESS!r}, and access_log_file says {options.access_log_file!r}; "
            "say in one of them where its lines go"
        )


def set_up_access_log(options: LogOptions) -> None:
    """Gives the logger `pagi.access` its handler alone.

    Raises:
        CannotLog: the file cannot be written.
    """
    file = options.access_log_file
    _give(ACCESS, AccessFile(Path(file)) if file is not None else AccessHandler(sys.stdout), logging.INFO)


def set_up_unset_logging(options: LogOptions) -> None:
    """For a server that is started from code: a program that set up logging by itself keeps that, but for what the options name.

    Raises:
        ConfigError: as for `set_up_logging`.
    """
    is_set_up = bool(logging.getLogger(SERVER).handlers or logging.getLogger().handlers)
    if not is_set_up or options.log_config is not None:
        set_up_logging(options)
    elif options.access_log_file is not None:
        set_up_access_log(options)


def keep_logging() -> None:
    """Undoes what `dictConfig` does to every logger that it does not name, when an application calls it: ours would be silent."""
    for name, logger in logging.root.manager.loggerDict.items():
        if isinstance(logger, logging.Logger) and (name == SERVER or name.startswith(f"{SERVER}.")):
            logger.disabled = False


def reopen_logs() -> None:
    """Opens the access log's file anew, under its name: what to do when it was rotated away."""
    for handler in logging.getLogger(ACCESS).handlers:
        if isinstance(handler, AccessFile):
            handler.reopen()


def _give(name: str, handler: logging.Handler, level: int) -> None:
    logger = logging.getLogger(name)
    for old in logger.handlers[:]:
        logger.removeHandler(old)
        if isinstance(old, AccessFile):
            old.close()
    logger.addHandler(handler)
    logger.setLevel(level)
    logger.propagate = False
