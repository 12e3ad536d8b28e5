"""What the tests of the whole server share: the lines it logged, the framing its clients speak, and who signs its certificates."""

import logging
from collections.abc import Iterator

import pytest

from tests.server import live
from tests.server.certificates import Authority, Issued

FRAMINGS = ("HTTP/1.1", "HTTP/2")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that uses `framing` runs over each, unless it is marked `http1`."""
    if "framing" in metafunc.fixturenames:
        framings = FRAMINGS[:1] if metafunc.definition.get_closest_marker("http1") else FRAMINGS
        metafunc.parametrize("framing", framings, indirect=True)


@pytest.fixture
def framing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the clients of `served` speak. The test itself writes and reads HTTP/1.1 in either case (see `downgrade`)."""
    monkeypatch.setattr(live, "SPOKEN", request.param)
    return str(request.param)


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


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who signs the certificates of servers and clients."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def own(authority: Authority) -> Issued:
    """The server's own certificate."""
    return authority.issue()
