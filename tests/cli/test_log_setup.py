"""Log lines: where they go, and that nothing a client sends can forge or colour one."""

import io
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pagi.cli.log_setup import TRACE, BareFormatter, LineFormatter, escaped, set_up_logging, wants_colour


def record(message: str, *args: object, level: int = logging.INFO) -> logging.LogRecord:
    return logging.LogRecord("pagi.server", level, __file__, 1, message, args, None)


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
    set_up_logging("info")
    logging.getLogger("pagi.server").info("started")
    logging.getLogger("pagi.access").info("GET / 200")
    captured = capsys.readouterr()
    assert captured.out == "GET / 200\n"
    assert captured.err.endswith("INFO     started\n")


def test_the_level_holds_for_server_lines_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("error")
    logging.getLogger("pagi.server").warning("quiet")
    logging.getLogger("pagi.access").info("GET / 200")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("GET / 200\n", "")


def test_trace_lies_below_debug(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("trace")
    logging.getLogger("pagi.server").log(TRACE, "event")
    assert "TRACE    event" in capsys.readouterr().err


def test_set_up_twice_writes_each_line_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging("info")
    set_up_logging("info")
    logging.getLogger("pagi.access").info("once")
    assert capsys.readouterr().out == "once\n"


def test_the_root_logger_is_left_alone(folder: Path) -> None:
    before = logging.getLogger().handlers[:], logging.getLogger().level
    set_up_logging("debug")
    assert (logging.getLogger().handlers[:], logging.getLogger().level) == before


def test_a_closed_access_pipe_is_reported_once_and_harms_nothing() -> None:
    program = """
import logging, sys
from pagi.cli.log_setup import set_up_logging
set_up_logging("info")
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
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, errors = process.communicate("go", timeout=30)
    assert process.returncode == 0
    assert errors.count("broken pipe") == 1
    assert len(errors.splitlines()) == 1
