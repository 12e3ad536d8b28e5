"""`--log-config`: a file in the form of `logging.config.dictConfig`, and what may be wrong with one."""

import json
import logging.config
import tomllib
from pathlib import Path
from typing import Any, TypeGuard

from pagi.http.errors import ConfigError

# `fileConfig` evaluates what its .ini files say, and YAML would be a dependency for what JSON says as well.
READERS = {".json": json.loads, ".toml": tomllib.loads}


class LogConfigRefused(ConfigError):
    """The logging configuration cannot be read, or says what cannot be. The message names the file."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"log config {path}: {problem}")
        self.path = path


def configure_logging(path: Path) -> frozenset[str]:
    """Sets up logging as the file says. Returns the names of the loggers that it names.

    Loggers that the file does not name stay alive, unless it says `disable_existing_loggers` itself; `version` may be left out.

    Raises:
        LogConfigRefused: see the class.
    """
    config = {"version": 1, "disable_existing_loggers": False, **_read(path)}
    loggers = config.get("loggers", {})
    if not _is_table(loggers):
        raise LogConfigRefused(path, "'loggers' is not a table")
    try:
        logging.config.dictConfig(config)
    except Exception as error:  # a handler's class may raise anything
        reason = f"{error}: {error.__cause__}" if error.__cause__ is not None else str(error)
        raise LogConfigRefused(path, reason) from error
    return frozenset(loggers)


def _read(path: Path) -> dict[str, Any]:
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise LogConfigRefused(path, f"its name has to end in {' or '.join(READERS)}, to say how to read it; YAML and .ini are not read")
    try:
        config: object = reader(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # both readers' errors are ValueErrors, and so is text that is no UTF-8
        raise LogConfigRefused(path, f"cannot be read: {error}") from error
    if not _is_table(config):
        raise LogConfigRefused(path, "is not a table with handlers and loggers")
    return config


def _is_table(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)
