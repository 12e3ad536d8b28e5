"""Log lines: where they go, and that nothing a client sends can forge or colour one."""

import io
import json
import logging
import logging.config
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from pagi.http.errors import ConfigError
from pagi.server.options import LogOptions
from pagi.server.process.log_handlers import LineHandler
from pagi.server.process.log_lines import BareFormatter, LineFormatter, escaped, wants_colour
from pagi.server.process.logs import TRACE, keep_logging, reopen_logs, set_up_logging, set_up_unset_logging


@pytest.fixture(autouse=True)
def logging_as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test does to the loggers of this process is undone."""
    loggers = [logging.getLogger(name) for name in ("", "pagi", "pagi.access", "pagi.server", "shop.orders")]
    before = [(logger.handlers[:], logger.level, logger.propagate) for logger in loggers]
    yield
    for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
        for handler in logger.handlers:
            if isinstance(handler, LineHandler):
                handler.close()
        logger.handlers[:], logger.propagate, logger.disabled = handlers, propagate, False
        logger.setLevel(level)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, empty, where modules may be imported from."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [str(tmp_path), *sys.path])
    yield tmp_path
    sys.modules.pop("listing", None)


def record(message: str, *args: object, level: int = logging.INFO) -> logging.LogRecord:
    return logging.LogRecord("pagi.server", level, __file__, 1, message, args, None)


def written(path: Path) -> str:
    """What the file holds when the access lines so far are in it."""
    for handler in logging.getLogger("pagi.access").handlers:
        handler.flush()
    return path.read_text()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


# ---- controls


@pytest.mark.parametrize(
    ("raw", "spelled"),
    [
        ("a\r\nb", r"a\r\nb"),
        ("\x1b[2J", r"\x1b[2J"),
        ("\x00\x7f\x9b", r"\x00\x7f\x9b"),
        ("\u2028\u2029", r"\u2028\u2029"),
        ("\udc80", r"\udc80"),
        ("\t", r"\t"),
        ("käse ☕", "käse ☕"),
    ],
)
def test_controls_are_spelled_out(raw: str, spelled: str) -> None:
    assert escaped(raw) == spelled


def test_a_server_line_stays_one_line() -> None:
    assert LineFormatter(colour=False).format(record("path %s", "/\nforged")).endswith(r"path /\nforged")


def test_an_access_line_is_the_message_alone() -> None:
    assert BareFormatter().format(record("GET %s 200", "/\x1b")) == r"GET /\x1b 200"


def test_a_traceback_keeps_its_lines_and_loses_its_controls() -> None:
    try:
        raise ValueError("bad \x1b[31m value")
    except ValueError:
        failed = logging.LogRecord("pagi", logging.ERROR, __file__, 1, "failed", (), sys.exc_info())
    lines = LineFormatter(colour=False).format(failed).splitlines()
    assert lines[-1] == r"ValueError: bad \x1b[31m value"
    assert lines[1] == "Traceback (most recent call last):"


# ---- colour


def test_a_level_is_coloured_on_request() -> None:
    assert "\x1b[33mWARNING" in LineFormatter(colour=True).format(record("slow", level=logging.WARNING))


def test_a_level_is_plain_otherwise() -> None:
    assert "\x1b" not in LineFormatter(colour=False).format(record("slow", level=logging.WARNING))


def test_a_terminal_gets_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert wants_colour(Terminal())


def test_a_file_gets_none() -> None:
    assert not wants_colour(io.StringIO())


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_a_terminal_that_declines_gets_none(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    assert not wants_colour(Terminal())


# ---- where lines go


def test_server_lines_go_to_stderr_and_access_lines_to_stdout(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(LogOptions(log_level="info"))
    logging.getLogger("pagi.server").info("started")
    logging.getLogger("pagi.access").info("GET / 200")
    captured = capsys.readouterr()
    assert captured.out == "GET / 200\n"
    assert captured.err.endswith("INFO     started\n")


def test_the_level_holds_for_server_lines_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(LogOptions(log_level="error"))
    logging.getLogger("pagi.server").warning("quiet")
    logging.getLogger("pagi.access").info("GET / 200")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("GET / 200\n", "")


def test_trace_lies_below_debug(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(LogOptions(log_level="trace"))
    logging.getLogger("pagi.server").log(TRACE, "event")
    assert "TRACE    event" in capsys.readouterr().err


# ---- a file of access lines


def test_access_lines_are_appended_to_a_file(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "access.log").write_text("before\n")
    set_up_logging(LogOptions(access_log_file="access.log"))
    logging.getLogger("pagi.access").info("GET /\x1b\t200")
    assert written(folder / "access.log") == "before\nGET /\\x1b\t200\n"
    assert capsys.readouterr().out == ""


def test_a_file_that_was_rotated_away_is_opened_anew(folder: Path) -> None:
    file = folder / "access.log"
    set_up_logging(LogOptions(access_log_file=str(file)))
    logging.getLogger("pagi.access").info("one")
    file.rename(folder / "access.log.1")
    logging.getLogger("pagi.access").info("two")
    assert written(folder / "access.log.1") == "one\ntwo\n"
    reopen_logs()
    logging.getLogger("pagi.access").info("three")
    assert written(file) == "three\n"
    assert (folder / "access.log.1").read_text() == "one\ntwo\n"


def test_a_file_is_opened_anew_where_it_was_though_the_process_went_elsewhere(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    set_up_logging(LogOptions(access_log_file="access.log"))
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    (folder / "access.log").unlink()
    reopen_logs()
    logging.getLogger("pagi.access").info("line")
    assert written(folder / "access.log") == "line\n"


def test_a_file_that_cannot_be_opened_anew_stays_in_use(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "logs").mkdir()
    set_up_logging(LogOptions(access_log_file="logs/access.log"))
    (folder / "logs").rename(folder / "old")
    reopen_logs()
    logging.getLogger("pagi.access").info("line")
    assert written(folder / "old" / "access.log") == "line\n"
    assert "cannot be written: No such file or directory; its lines go on to the file that was open" in capsys.readouterr().err


def test_reopening_leaves_stdout_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(LogOptions())
    reopen_logs()
    logging.getLogger("pagi.access").info("line")
    assert capsys.readouterr().out == "line\n"


def test_a_file_that_cannot_be_written_stops_the_start(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"the access log .*/nowhere/a\.log cannot be written: No such file or directory"):
        set_up_logging(LogOptions(access_log_file="nowhere/a.log"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a file on a disk that is full")
def test_a_full_disk_is_told_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(LogOptions(access_log_file="/dev/full"))
    for _ in range(3):
        logging.getLogger("pagi.access").info("line")
        logging.getLogger("pagi.access").handlers[0].flush()
    told = [line for line in capsys.readouterr().err.splitlines() if "No space left on device" in line]
    assert len(told) == 1
    assert "the access log cannot be written" in told[0]


def test_an_application_that_configures_logging_closes_no_access_log(folder: Path) -> None:
    set_up_logging(LogOptions(access_log_file="access.log"))
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False})
    logging.getLogger("pagi.access").info("line")
    assert written(folder / "access.log") == "line\n"


def test_an_application_that_configures_logging_silences_no_server(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(LogOptions())
    logging.config.dictConfig({"version": 1})
    logging.getLogger("pagi.server").info("unheard")
    keep_logging()
    logging.getLogger("pagi.server").info("heard")
    logging.getLogger("pagi.access").info("seen")
    captured = capsys.readouterr()
    assert "unheard" not in captured.err
    assert "heard" in captured.err
    assert captured.out == "seen\n"


# ---- a configuration of one's own


LIST = """
from logging import Handler
lines = []
class Listing(Handler):
    def emit(self, record):
        lines.append(record.getMessage())
"""


def config(folder: Path, **loggers: object) -> LogOptions:
    """A configuration whose handler `list` keeps lines in the module `listing`."""
    (folder / "listing.py").write_text(LIST)
    path = folder / "log.json"
    path.write_text(json.dumps({"handlers": {"list": {"class": "listing.Listing"}}, "loggers": loggers}))
    return LogOptions(log_config=str(path))


def test_what_the_configuration_names_counts_and_the_rest_is_as_without(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(config(folder, pagi={"handlers": ["list"], "level": "WARNING"}))
    logging.getLogger("pagi.server").info("quiet")
    logging.getLogger("pagi.server").warning("loud")
    logging.getLogger("pagi.access").info("GET / 200")
    assert vars(sys.modules["listing"])["lines"] == ["loud"]
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("GET / 200\n", "")


def test_access_lines_may_go_to_a_handler_of_ones_own(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(config(folder, **{"pagi.access": {"handlers": ["list"], "propagate": False}}))
    logging.getLogger("pagi.access").info("GET / 200")
    assert vars(sys.modules["listing"])["lines"] == ["GET / 200"]
    assert capsys.readouterr().out == ""


def test_a_configuration_may_be_toml(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "log.toml").write_text('[loggers."shop.orders"]\nlevel = "DEBUG"\n')
    set_up_logging(LogOptions(log_config="log.toml"))
    assert logging.getLogger("shop.orders").level == logging.DEBUG
    logging.getLogger("pagi.server").info("started")
    assert "started" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("log.yaml", "version: 1", "its name has to end in .json or .toml, to say how to read it; YAML and .ini are not read"),
        ("log.json", "{", "cannot be read: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        ("log.json", "[]", "is not a table with handlers and loggers"),
        ("log.json", '{"loggers": []}', "'loggers' is not a table"),
        ("log.toml", "a = ", "cannot be read: Invalid value (at end of document)"),
        (
            "log.json",
            '{"handlers": {"a": {"class": "no.such"}}}',
            "Unable to configure handler 'a': Cannot resolve 'no.such': No module named 'no'",
        ),
        ("log.json", '{"version": 2}', "Unsupported version: 2"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused_with_the_reason(name: str, text: str, problem: str, folder: Path) -> None:
    (folder / name).write_text(text)
    with pytest.raises(ConfigError) as caught:
        set_up_logging(LogOptions(log_config=name))
    assert str(caught.value) == f"log config {name}: {problem}"


def test_a_configuration_that_is_not_there_is_named(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"log config none\.json: cannot be read: .*No such file"):
        set_up_logging(LogOptions(log_config="none.json"))


def test_two_words_about_access_lines_are_one_too_many(folder: Path) -> None:
    options = config(folder, **{"pagi.access": {"handlers": ["list"]}})
    with pytest.raises(ConfigError, match=r"names the logger 'pagi\.access', and access_log_file says 'a\.log'"):
        set_up_logging(msgspec.structs.replace(options, access_log_file="a.log"))


# ---- a server started from code


def test_a_program_that_set_up_logging_keeps_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = logging.NullHandler()
    logging.getLogger("pagi").addHandler(own)
    set_up_unset_logging(LogOptions())
    assert logging.getLogger("pagi").handlers == [own]


def test_a_file_named_in_code_is_written_whoever_set_up_logging(folder: Path) -> None:
    own = logging.NullHandler()
    logging.getLogger("pagi").addHandler(own)
    set_up_unset_logging(LogOptions(access_log_file="access.log"))
    logging.getLogger("pagi.access").info("line")
    assert written(folder / "access.log") == "line\n"
    assert logging.getLogger("pagi").handlers == [own]


# ---- colour on request


def test_colours_may_be_asked_for_and_declined(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[bool] = []
    for chosen in (True, False, None):
        terminal = Terminal()
        monkeypatch.setattr("sys.stderr", terminal)
        monkeypatch.setenv("TERM", "dumb")
        set_up_logging(LogOptions(use_colors=chosen))
        logging.getLogger("pagi.server").info("started")
        shown.append("\x1b[32m" in terminal.getvalue())
    assert shown == [True, False, False]


def test_set_up_twice_writes_each_line_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(LogOptions(log_level="info"))
    set_up_logging(LogOptions(log_level="info"))
    logging.getLogger("pagi.access").info("once")
    assert capsys.readouterr().out == "once\n"


def test_the_root_logger_is_left_alone(folder: Path) -> None:
    before = logging.getLogger().handlers[:], logging.getLogger().level
    set_up_logging(LogOptions(log_level="debug"))
    assert (logging.getLogger().handlers[:], logging.getLogger().level) == before


def test_a_closed_access_pipe_is_reported_once_and_harms_nothing() -> None:
    program = """
import logging, sys
from pagi.server.options import LogOptions
from pagi.server.process.logs import set_up_logging
set_up_logging(LogOptions(log_level="info"))
sys.stdin.read()
for n in range(3):
    logging.getLogger("pagi.access").info("line %d", n)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "NO_COLOR": "1"},
        cwd=Path(__file__).parents[3],
    )
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, errors = process.communicate("go", timeout=30)
    assert process.returncode == 0
    assert errors.count("Broken pipe") == 1
    assert len(errors.splitlines()) == 1
