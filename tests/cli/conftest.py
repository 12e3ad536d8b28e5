"""A place for each test of the command: a folder to be in, and a process state that is put back afterwards."""

import logging
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """What a command does to the loggers of this process is undone."""
    loggers = [logging.getLogger(name) for name in ("pagi", "pagi.access")]
    before = [(logger.handlers[:], logger.level, logger.propagate) for logger in loggers]
    yield
    for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
        logger.handlers[:], logger.propagate = handlers, propagate
        logger.setLevel(level)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, empty. What a command does to the process (variables, modules, import path) is undone."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("PAGI_") or name in ("PORT", "WEB_CONCURRENCY", "NO_COLOR"):
            monkeypatch.delenv(name)
    environment, path, modules = dict(os.environ), sys.path[:], set(sys.modules)
    yield tmp_path
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        module = vars(sys.modules[name])
        if str(tmp_path) in f"{module.get('__file__')} {module.get('__path__')}":
            del sys.modules[name]


@pytest.fixture
def raw_app(folder: Path) -> Path:
    """`main.py` with a raw application `app`."""
    path = folder / "main.py"
    path.write_text("async def app(scope, receive, send):\n    pass\n")
    return path
