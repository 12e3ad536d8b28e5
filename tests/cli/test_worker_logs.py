"""Logs of several processes: one file of access lines, rotated under all of them, and one configuration for all."""

import json
import signal
from pathlib import Path

import pytest

from tests.cli.supervised import APP, supervised


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project whose application says who answers."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "main.py").write_text(APP)
    return folder


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.parametrize("workers", ["1", "2"])
def test_usr1_goes_on_in_the_file_that_bears_the_name_now(workers: str, folder: Path) -> None:
    access, rotated = folder / "access.log", folder / "access.log.1"
    flags = ["--workers", workers, "--access-log-file", "access.log", "--access-log-format", "%U %P"]
    with supervised(folder, "main:app", *flags) as running:
        running.ask("/before")
        running.until(lambda: len(lines(access)) == 1, "a line")
        access.rename(rotated)
        running.send(signal.SIGUSR1)
        running.until(access.exists, "a file of that name")
        asked = 0
        while not lines(access):  # the other worker may not have heard it yet
            running.ask("/after")
            asked += 1
        assert running.end() == 0
    assert len(lines(access)) + len(lines(rotated)) == 1 + asked
    assert lines(rotated)[0].startswith("/before ")
    assert lines(access)[-1].startswith("/after ")


def test_supervisor_and_workers_log_as_the_configuration_says(folder: Path) -> None:
    handler = {"class": "logging.FileHandler", "filename": "server.log", "formatter": "line"}
    config = {
        "formatters": {"line": {"format": "%(process)d %(name)s %(message)s"}},
        "handlers": {"file": handler},
        "loggers": {"pagi": {"level": "INFO", "handlers": ["file"], "propagate": False}},
    }
    (folder / "log.json").write_text(json.dumps(config))
    with supervised(folder, "main:app", "--workers", "2", "--log-config", "log.json", listens=False) as running:
        running.until(lambda: "listening on" in "".join(lines(folder / "server.log")), "the line in the file")
        supervisor = str(running.process.pid)
        assert running.end() == 0
    said = lines(folder / "server.log")
    assert any(line.startswith(f"{supervisor} pagi.cli pagi ") for line in said)
    assert any(line.startswith(f"{supervisor} pagi.server listening on") for line in said)
    assert "INFO" not in running.output


def test_a_handler_that_needs_the_framework_is_for_workers_alone(folder: Path) -> None:
    (folder / "shop").mkdir()
    (folder / "main.py").rename(folder / "shop" / "main.py")
    own = "class Own(logging.Handler):\n    def emit(self, record): print('own:', record.getMessage(), flush=True)\n"
    (folder / "shop" / "handlers.py").write_text(f"import logging\nfrom pagi import App\n{own}")
    config = {"handlers": {"own": {"class": "handlers.Own"}}, "loggers": {"pagi.access": {"handlers": ["own"], "propagate": False}}}
    (folder / "log.json").write_text(json.dumps(config))
    with supervised(folder, "main:app", "--app-dir", "shop", "--workers", "2", "--log-config", "log.json") as running:
        running.ask("/seen")
        running.until_said("own: ")
        assert "what the supervisor itself has to say goes to stderr" in running.output
        assert running.end() == 0


def test_a_log_that_a_worker_cannot_write_is_told_before_anything_serves(folder: Path) -> None:
    with supervised(folder, "main:app", "--workers", "2", "--access-log-file", "nowhere/a.log", listens=False) as running:
        assert running.exit_code() == 2
    assert "nowhere/a.log cannot be written: No such file or directory" in running.output
