"""Where settings come from and which of them wins: flag, environment, `--env-file`, `[tool.pagi.server]`, default."""

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeGuard

import msgspec

from pagi.cli.flags import ServerFlag, server_flags
from pagi.http.errors import ConfigError
from pagi.server.options.listening import WAYS

TOOL_KEYS = ("app", "server")
VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class SettingRefused(ConfigError):
    """A setting that cannot be what its source says. The message names the source, so that one knows what to edit."""

    def __init__(self, source: str, problem: str) -> None:
        super().__init__(f"{source}: {problem}")
        self.source = source


class Project(msgspec.Struct, frozen=True):
    """What a `pyproject.toml` says under `[tool.pagi]`."""

    path: Path
    app: str | None = None
    options: Mapping[str, Any] = msgspec.field(default_factory=dict[str, Any])
    """Server options by their bare names."""


def find_project(start: Path) -> Project | None:
    """The settings of the nearest `pyproject.toml` in `start` or above that has a `[tool.pagi]`; None without one.

    Raises:
        SettingRefused: it is no TOML, or says something that no option can be.
    """
    for folder in (start, *start.parents):
        path = folder / "pyproject.toml"
        if path.is_file():
            project = _project(path)
            if project is not None:
                return project
    return None


def _project(path: Path) -> Project | None:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise SettingRefused(str(path), f"cannot be read: {error}") from error
    table = document.get("tool", {}).get("pagi")
    if table is None:
        return None
    if not _is_table(table):
        raise SettingRefused(f"{path} [tool.pagi]", "is not a table")
    for key in table:
        if key not in TOOL_KEYS:
            raise SettingRefused(f"{path} [tool.pagi]", f"there is no setting {key!r}; there is {' and '.join(TOOL_KEYS)}")
    app = table.get("app")
    if app is not None and not isinstance(app, str):
        raise SettingRefused(f"{path} [tool.pagi] app", f"{app!r} is not text such as 'main:app'")
    server = table.get("server", {})
    if not _is_table(server):
        raise SettingRefused(f"{path} [tool.pagi] server", "is not a table")
    return Project(path, app, _file_options(server, f"{path} [tool.pagi.server]"))


def _is_table(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _file_options(table: Mapping[str, Any], source: str) -> dict[str, Any]:
    flags = {flag.key: flag for flag in server_flags().values()}
    options: dict[str, Any] = {}
    for key, value in table.items():
        flag = flags.get(key.replace("_", "-"))
        if flag is None:
            raise SettingRefused(source, f"there is no option {key!r}{_meant(key, flags.values())}")
        if flag.name in options:
            raise SettingRefused(source, f"{flag.key} is given twice, with a dash and with an underscore")
        try:
            options[flag.name] = flag.check(value)
        except ValueError as error:
            raise SettingRefused(f"{source} {key}", str(error)) from error
    return options


def _meant(key: str, flags: Iterable[ServerFlag]) -> str:
    """The remedy for a key that is none: its right spelling if it is a Python name, else the nearest one."""
    by_name = {flag.name: flag.key for flag in flags}
    if key in by_name:
        return f"; as a setting it is spelled {by_name[key]!r}"
    near = difflib.get_close_matches(key.replace("_", "-"), by_name.values(), n=1)
    return f"; did you mean {near[0]!r}?" if near else "; `pagi run --help` lists them all"


def environment_options(environ: Mapping[str, str]) -> dict[str, Any]:
    """Server options found in environment variables. An empty variable counts as absent.

    >>> environment_options({"PAGI_TIMEOUT_KEEP_ALIVE": "2", "PORT": "80", "HOME": "/root"})
    {'port': 80, 'keep_alive_seconds': 2.0}

    Raises:
        SettingRefused: a variable of ours holds what its option cannot be.
    """
    options: dict[str, Any] = {}
    for flag in server_flags().values():
        variable = next((name for name in flag.environment if environ.get(name)), None)
        if variable is None:
            continue
        try:
            options[flag.name] = flag.read(environ[variable])
        except ValueError as error:
            raise SettingRefused(f"environment variable {variable}", str(error)) from error
    return options


def merged(*sources: Mapping[str, Any]) -> dict[str, Any]:
    """What the sources say together, the weakest first.

    There are several ways to say where to listen. Who says so in one way means to be heard: what weaker sources say in another falls away.

    >>> merged({"uds": "/run/x.sock", "backlog": 1}, {"port": 80})
    {'backlog': 1, 'port': 80}
    """
    together: dict[str, Any] = {}
    for source in sources:
        said = [way for way in WAYS if any(name in source for name in way)]
        outdone = {name for way in WAYS if said and way not in said for name in way}
        together = {**{name: value for name, value in together.items() if name not in outdone}, **source}
    return together


def read_env_file(path: Path) -> dict[str, str]:
    """The variables of a file of `KEY=VALUE` lines. Nothing is expanded or evaluated.

    Blank lines and lines that start with `#` are skipped; blanks around key and value fall away, and so does one pair of
    quotes around the whole value. The last line for a key counts.

    Raises:
        SettingRefused: the file cannot be read, or a line is something else; the message names it by number.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingRefused(str(path), f"cannot be read: {error}") from error
    variables: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        key, equals, value = (part.strip() for part in stripped.partition("="))
        if key.startswith("export "):
            raise SettingRefused(f"{path} line {number}", "this is no shell script: drop the word `export`")
        if not equals or not VARIABLE_NAME.fullmatch(key):
            raise SettingRefused(f"{path} line {number}", f"{stripped[:40]!r} is not KEY=VALUE")
        if "\0" in value:
            raise SettingRefused(f"{path} line {number}", "a variable cannot hold a NUL")
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
            value = value[1:-1]
        variables[key] = value
    return variables


def load_env_file(path: Path) -> None:
    """Puts the variables of a file into this process's environment, where the application will look for them.

    A variable that is already there keeps its value: the environment outranks the file.

    Raises:
        SettingRefused: see `read_env_file`.
    """
    for key, value in read_env_file(path).items():
        os.environ.setdefault(key, value)
