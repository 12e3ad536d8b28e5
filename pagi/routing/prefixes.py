"""The table of mounts: prefixes of paths, and what is left of a path behind one."""

from collections.abc import Iterable
from typing import Any, Generic, TypeVar

from pagi.http.errors import ConfigError
from pagi.routing.converters import Converter
from pagi.routing.patterns import REST, BadPattern, Parameter, Pattern, regex_of
from pagi.routing.table import Table

T = TypeVar("T")

_REST = Parameter("", Converter(name="", regex=r".*", spans=True))
"""What follows a prefix and its slash. Nobody else can give a parameter this name."""

_NOTHING = Pattern("", (), ())

MOUNTED = REST + 1
"""Behind its prefix a mount says less than any route does (see `Pattern.exactness`)."""


class DuplicateMount(ConfigError):
    """Two applications are mounted at the same prefix."""

    def __init__(self, prefix: str, first: str, second: str) -> None:
        super().__init__(f"{first} and {second} take the same paths; give one of them another prefix than {prefix or '/'!r}")


class HiddenMount(ConfigError):
    """A route takes what a mount is for."""

    def __init__(self, mount: str, route: str) -> None:
        super().__init__(f"{mount} would never be asked, {route} takes every path below it; give one of them another path")


class Prefixes(Generic[T]):
    """Prefixes to what is mounted there. Built once, then only read. The most exact prefix wins, then the longest one."""

    def __init__(self) -> None:
        self._table: Table[tuple[T, tuple[int, ...]]] = Table()
        self._labels: dict[str, str] = {}
        self._exactness: list[tuple[int, ...]] = []

    def __bool__(self) -> bool:
        return bool(self._labels)

    def add(self, prefix: Pattern | None, value: T, label: str) -> None:
        """Registers `value` under a prefix; None is the empty one, under which every path is. `label` is what an error calls it.

        Raises:
            BadPattern: a parameter of the prefix spans slashes.
            DuplicateMount: the prefix is taken.
        """
        prefix = prefix or _NOTHING
        exactness = prefix.exactness
        if REST in exactness:
            raise BadPattern(prefix.text, "a prefix cannot span slashes, or nobody could say where it ends")
        if prefix.language in self._labels:
            raise DuplicateMount(prefix.text, self._labels[prefix.language], label)
        self._labels[prefix.language] = label
        found = (value, (*exactness, MOUNTED))
        self._exactness.append(found[1])
        if prefix.segments:
            self._table.add(prefix, "http", "", found)
        below = Pattern(prefix.text + "/{:path}", (*prefix.segments, (_REST,)), (*prefix.parameters, _REST))
        self._table.add(below, "http", "", found)

    def may_precede(self, exactness: tuple[int, ...]) -> bool:
        """Some prefix says more than a pattern of that exactness, so it has to be asked first."""
        return any(exactness > each for each in self._exactness)

    def find(self, path: str) -> tuple[T, tuple[int, ...], dict[str, Any], str] | None:
        """What is mounted above `path`: its exactness, the prefix's parameters, and the text of the prefix."""
        for leaf, params in self._table.find(path):
            value, exactness = leaf.http[""]
            rest = params.pop("", None)
            return value, exactness, params, path if rest is None else path[: len(path) - len(rest) - 1]
        return None


def check_reachable(mounts: Iterable[tuple[Pattern | None, str]], routes: Iterable[tuple[Pattern, str, str]]) -> None:
    """No route takes everything that a mount is for: `/a/{rest:path}` would, of a mount at `/a`.

    `mounts` are prefixes with labels, `routes` patterns with kinds and labels. A WebSocket takes nothing away; any http route
    does, since it answers the methods that it does not serve with 405.

    Raises:
        HiddenMount: one does.
    """
    labels = {(prefix or _NOTHING).language: label for prefix, label in mounts}
    for pattern, kind, label in routes:
        *before, last = pattern.segments
        hidden = labels.get(Pattern("", tuple(before), ()).language) if regex_of(last) == "(.+)" else None
        if hidden is not None and kind != "websocket":
            raise HiddenMount(hidden, label)
