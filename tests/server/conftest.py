"""What the tests of the whole server share: the lines it logged."""

import logging
from collections.abc import Iterator

import pytest


class Lines(logging.Handler):
    """Every line of the server's loggers, rendered."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keeps a line."""
        self.records.append(record)

    def of(self, name: str, level: int = logging.INFO) -> list[str]:
        """The messages of one logger, from `level` up."""
        return [record.getMessage() for record in self.records if record.name == name and record.levelno >= level]

    @property
    def server(self) -> list[str]:
        """What the server told its operator."""
        return self.of("pagi.server")

    @property
    def access(self) -> list[str]:
        """The access log."""
        return self.of("pagi.access")

    @property
    def errors(self) -> list[str]:
        """Errors of the server's log, and what they were raised by."""
        return [
            record.getMessage() + (f" <- {record.exc_info[1]!r}" if record.exc_info and record.exc_info[1] else "")
            for record in self.records
            if record.levelno >= logging.ERROR
        ]


@pytest.fixture
def log() -> Iterator[Lines]:
    """The lines that the server logs during the test, whatever else was set up."""
    lines = Lines()
    loggers = [logging.getLogger(name) for name in ("pagi.server", "pagi.access", "pagi.gateway")]
    before = [(logger, logger.level) for logger in loggers]
    for logger in loggers:
        logger.addHandler(lines)
        logger.setLevel(logging.DEBUG)
    yield lines
    for logger, level in before:
        logger.removeHandler(lines)
        logger.setLevel(level)
