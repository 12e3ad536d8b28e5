"""Which files of a project are its code, and word of their changes. The watching itself is done by `watchfiles`."""

import importlib.util
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from pathlib import Path
from threading import Event

import msgspec

from pagi.http.errors import ConfigError

USUAL = ("*.py",)
"""What is watched without being named."""

NEVER_IN = ("__pycache__", "node_modules", "venv", "site-packages")
"""Folders that hold nobody's own code, beside those whose name begins with a dot."""

TICK_MILLISECONDS = 100
DEBOUNCE_MILLISECONDS = 400
"""How long changes that follow each other are collected at most: a checkout, a formatter over many files."""


class CannotWatch(ConfigError):
    """Changes cannot be noticed. The message says why, and what helps."""


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """What is watched: folders with all below them, and which files in them count.

    A pattern is matched against a file's name and against its path from the folder: `*.html`, `templates/*`. One to leave out
    may also be a folder's name.
    """

    folders: tuple[Path, ...]
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    also: tuple[Path, ...] = ()
    """Single files that always count."""

    def wants(self, path: Path) -> bool:
        """True for a file whose change is a new version of the code.

        >>> watch = Watch(folders=(Path("/shop"),), include=("*.html",), exclude=("tests",))
        >>> [watch.wants(Path("/shop") / name) for name in ("main.py", "pages/a.html", "tests/test_a.py", ".venv/x.py", "a.css")]
        [True, True, False, False, False]
        """
        if path in self.also:
            return True
        inside = next((path.relative_to(folder) for folder in self.folders if path.is_relative_to(folder)), None)
        if inside is None or any(part.startswith(".") or part in NEVER_IN for part in inside.parts[:-1]):
            return False
        if any(_fits(inside, pattern) or pattern in inside.parts[:-1] for pattern in self.exclude):
            return False
        return any(_fits(inside, pattern) for pattern in (*USUAL, *self.include))


def _fits(path: Path, pattern: str) -> bool:
    return fnmatch(path.name, pattern) or fnmatch(path.as_posix(), pattern)


def demand_watchfiles() -> None:
    """Makes sure that changes can be watched.

    Raises:
        CannotWatch: the extra is not installed.
    """
    if importlib.util.find_spec("watchfiles") is None:
        raise CannotWatch("to reload, pagi needs watchfiles; install the extra: pip install 'pagi-web[reload]', or use --no-reload")


def changes(watch: Watch, stop: Event) -> Iterator[list[Path]]:
    """The files that changed, each time some did; an empty list, at once and every `TICK_MILLISECONDS`, while none do. Ends with `stop`.

    Nothing that happens after the first list was given goes unseen.

    Raises:
        CannotWatch: the extra is not installed, or the system will not watch so much.
    """
    demand_watchfiles()
    from watchfiles import watch as watched

    try:
        for found in watched(
            *watch.folders,
            watch_filter=lambda _, path: watch.wants(Path(path)),
            debounce=DEBOUNCE_MILLISECONDS,
            stop_event=stop,
            rust_timeout=TICK_MILLISECONDS,
            yield_on_timeout=True,
            ignore_permission_denied=True,
        ):
            yield sorted({Path(path) for _, path in found})
    except (OSError, RuntimeError) as error:
        folders = ", ".join(map(str, watch.folders))
        raise CannotWatch(f"cannot watch {folders}: {error}; name fewer folders with --reload-dir") from error


def told(paths: Sequence[Path], start: Path) -> str:
    """How a person is told which files changed.

    >>> told([Path("/shop/main.py"), Path("/shop/a.py"), Path("/b.py")], Path("/shop"))
    'main.py and 2 more'
    """
    first = paths[0].relative_to(start) if paths[0].is_relative_to(start) else paths[0]
    return f"{first} and {len(paths) - 1} more" if len(paths) > 1 else str(first)
