"""Hosts that applications answer to: whole names first, then patterns with labels left open."""

import re
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from pagi.http.errors import ConfigError
from pagi.routing.converters import STR
from pagi.routing.patterns import Parameter, Pattern

T = TypeVar("T")

_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?|_[a-z0-9-]+")
_OPEN = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")


class BadHost(ConfigError):
    """A host pattern cannot be read."""

    def __init__(self, pattern: str, problem: str) -> None:
        super().__init__(f"host {pattern!r}: {problem}; write api.example.org or {{tenant}}.example.org, without scheme and port")


class DuplicateHost(ConfigError):
    """Two applications answer to the same hosts."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"host {first!r} is registered twice, once as {second!r}; remove one")


def host_pattern(text: str) -> Pattern:
    """The parameters of a host pattern, as a `Pattern` that no path is spelled by.

    >>> [parameter.name for parameter in host_pattern("{tenant}.example.org").parameters]
    ['tenant']

    Raises:
        BadHost: a label is neither a name nor one parameter, or a parameter stands twice.
    """
    names = [name for _, name in _labels(text) if name is not None]
    if len(names) != len(set(names)):
        raise BadHost(text, "a parameter stands in it twice")
    return Pattern("", (), tuple(Parameter(name, STR) for name in names))


def _labels(text: str) -> Iterator[tuple[str, str | None]]:
    """Each label with the name of the parameter that it is."""
    for label in text.split("."):
        found = _OPEN.fullmatch(label)
        if found is None and not _LABEL.fullmatch(label.lower()):
            raise BadHost(text, f"{label!r} is neither a label nor one parameter")
        yield label.lower(), found[1] if found else None


class Hosts(Generic[T]):
    """What answers to which host. Letters' case and the port do not matter."""

    def __init__(self) -> None:
        self._whole: dict[str, T] = {}
        self._open: list[tuple[re.Pattern[str], T]] = []
        self._labels: dict[tuple[str | None, ...], str] = {}

    def __bool__(self) -> bool:
        return bool(self._labels)

    def add(self, text: str, value: T) -> None:
        """Registers `value` for a host, or for all that a pattern matches.

        Raises:
            DuplicateHost: the same hosts are taken.
            BadHost: see `host_pattern`.
        """
        labels = list(_labels(text))
        shape = tuple(None if name else label for label, name in labels)
        if shape in self._labels:
            raise DuplicateHost(self._labels[shape], text)
        self._labels[shape] = text
        if None not in shape:
            self._whole[text.lower()] = value
            return
        regex = r"\.".join(f"(?P<{name}>[^.]+)" if name else re.escape(label) for label, name in labels)
        self._open.append((re.compile(regex), value))
        # What leaves less open says more.
        self._open.sort(key=lambda each: each[0].groups)

    def find(self, host: str) -> tuple[T, dict[str, Any]] | None:
        """What answers to the value of a Host field, with the labels that were left open, in lower case."""
        name = _name_of(host)
        whole = self._whole.get(name)
        if whole is not None:
            return whole, {}
        for regex, value in self._open:
            found = regex.fullmatch(name)
            if found:
                return value, found.groupdict()
        return None


def _name_of(host: str) -> str:
    """The host alone, without its port and the dot that may end it."""
    name = host.lower()
    if not name.endswith("]"):
        name = name.rpartition(":")[0] or name if name.rpartition(":")[2].isdigit() else name
    return name.removesuffix(".")
