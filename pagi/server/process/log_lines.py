"""How a log line looks: one line, coloured on a terminal, and no control character that a client sent ever reaches one."""

import logging
import os
import re
from typing import TextIO

COLOURS = {"CRITICAL": 91, "ERROR": 31, "WARNING": 33, "INFO": 32, "DEBUG": 36, "TRACE": 34}
"""Foregrounds of a terminal, by level."""

# C0, DEL, C1, the two Unicode line ends, and lone surrogates, which no stream can encode.
CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
CONTROLS_BUT_LINES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
CONTROLS_BUT_TABS = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def escaped(text: str) -> str:
    r"""The text with every control character spelled out, so that it stays one line and moves no cursor.

    >>> print(escaped("GET /\r\n\x1b[31m"))
    GET /\r\n\x1b[31m
    """
    return text if text.isprintable() else CONTROLS.sub(_spelled, text)


def _spelled(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape", "surrogatepass").decode("ascii")


class LineFormatter(logging.Formatter):
    """`time level message`, in local time, with the level coloured on a terminal. A traceback keeps its lines."""

    default_time_format = "%Y-%m-%d %H:%M:%S"
    default_msec_format = "%s.%03d"

    def __init__(self, *, colour: bool = False) -> None:
        super().__init__()
        self.colour = colour

    def format(self, record: logging.LogRecord) -> str:
        level = record.levelname.ljust(8)
        if self.colour:
            level = f"\x1b[{COLOURS.get(record.levelname, 37)}m{level}\x1b[0m"
        lines = [f"{self.formatTime(record)} {level} {escaped(record.getMessage())}"]
        if record.exc_info:
            lines.append(CONTROLS_BUT_LINES.sub(_spelled, self.formatException(record.exc_info)))
        if record.stack_info:
            lines.append(CONTROLS_BUT_LINES.sub(_spelled, self.formatStack(record.stack_info)))
        return "\n".join(lines)


class BareFormatter(logging.Formatter):
    """The message and nothing else: an access line brings its own fields, which a tab may part."""

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        return message if message.isprintable() else CONTROLS_BUT_TABS.sub(_spelled, message)


def wants_colour(stream: TextIO) -> bool:
    """True for a terminal, unless NO_COLOR is set to anything (no-color.org) or the terminal is dumb."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
