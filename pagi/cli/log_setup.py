"""Where log lines go: the server's to stderr, one for each exchange to stdout. No control character reaches a terminal."""

import logging
import os
import re
import sys
from typing import TextIO

import click

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
COLOURS = {"CRITICAL": "bright_red", "ERROR": "red", "WARNING": "yellow", "INFO": "green", "DEBUG": "cyan", "TRACE": "blue"}

# C0, DEL, C1, the two Unicode line ends, and lone surrogates, which no stream can encode.
CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
CONTROLS_BUT_LINES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def escaped(text: str) -> str:
    r"""The text with every control character spelled out, so that it stays one line and moves no cursor.

    >>> print(escaped("GET /\r\n\x1b[31m"))
    GET /\r\n\x1b[31m
    """
    return CONTROLS.sub(_spelled, text)


def _spelled(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape", "surrogatepass").decode("ascii")


class LineFormatter(logging.Formatter):
    """`time level message`, in local time, with the level coloured on a terminal. A traceback keeps its lines."""

    default_time_format = "%Y-%m-%d %H:%M:%S"
    default_msec_format = "%s.%03d"

    def __init__(self, *, colour: bool) -> None:
        super().__init__()
        self.colour = colour

    def format(self, record: logging.LogRecord) -> str:
        level = record.levelname.ljust(8)
        if self.colour:
            level = click.style(level, fg=COLOURS.get(record.levelname, "white"))
        lines = [f"{self.formatTime(record)} {level} {escaped(record.getMessage())}"]
        if record.exc_info:
            lines.append(CONTROLS_BUT_LINES.sub(_spelled, self.formatException(record.exc_info)))
        if record.stack_info:
            lines.append(CONTROLS_BUT_LINES.sub(_spelled, self.formatStack(record.stack_info)))
        return "\n".join(lines)


class BareFormatter(logging.Formatter):
    """The message and nothing else: an access line brings its own fields."""

    def format(self, record: logging.LogRecord) -> str:
        return escaped(record.getMessage())


class AccessHandler(logging.StreamHandler[TextIO]):
    """Writes access lines until nobody reads them: a closed pipe is reported once, then the lines are dropped."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self.is_broken = False

    def emit(self, record: logging.LogRecord) -> None:
        if not self.is_broken:
            super().emit(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's own name)
        if not isinstance(sys.exc_info()[1], BrokenPipeError):
            super().handleError(record)
            return
        self.is_broken = True
        logging.getLogger("pagi").warning("nobody reads the access log any more (broken pipe); the rest of it is dropped")
        # The interpreter flushes stdout once more at its end, and would fail with exit code 120.
        self.setStream(open(os.devnull, "w"))  # noqa: SIM115 (kept for the life of the process)
        os.dup2(self.stream.fileno(), sys.stdout.fileno())


def wants_colour(stream: TextIO) -> bool:
    """True for a terminal, unless NO_COLOR is set to anything (no-color.org) or the terminal is dumb."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def set_up_logging(level: str) -> None:
    """Gives the loggers `pagi` and `pagi.access` their handlers. Called again, it replaces them.

    The application's own loggers and the root logger are left alone.
    """
    logging.addLevelName(TRACE, "TRACE")
    server = logging.StreamHandler(sys.stderr)
    server.setFormatter(LineFormatter(colour=wants_colour(sys.stderr)))
    access = AccessHandler(sys.stdout)
    access.setFormatter(BareFormatter())
    _give("pagi", server, LEVELS[level])
    _give("pagi.access", access, logging.INFO)


def _give(name: str, handler: logging.Handler, level: int) -> None:
    logger = logging.getLogger(name)
    for old in logger.handlers[:]:
        logger.removeHandler(old)
    logger.addHandler(handler)
    logger.setLevel(level)
    logger.propagate = False
