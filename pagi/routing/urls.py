"""Names of routes, and paths made from them."""

from collections.abc import Mapping
from typing import Any

from pagi.http.errors import ConfigError
from pagi.http.url import encode_path
from pagi.routing.patterns import Pattern

_MOST_NAMES_LISTED = 10


class DuplicateName(ConfigError):
    """Two paths have one name."""

    def __init__(self, name: str, first: str, second: str) -> None:
        super().__init__(f"the name {name!r} is given to {first} and to {second}; each path needs its own")


class UnknownName(LookupError):
    """No route has this name."""

    def __init__(self, name: str, names: list[str]) -> None:
        listed = f"there are {', '.join(names)}" if 0 < len(names) <= _MOST_NAMES_LISTED else f"there are {len(names)} names"
        super().__init__(f"no route is named {name!r}; {listed}")
        self.name = name


def qualified(namespace: str, name: str) -> str:
    """A name, or another namespace, inside of a namespace.

    >>> qualified("admin", "user"), qualified("", "user"), qualified("admin", "")
    ('admin:user', 'user', 'admin')
    """
    return ":".join(part for part in (namespace, name) if part)


class Names:
    """What `url_for` knows."""

    def __init__(self) -> None:
        self._patterns: dict[str, tuple[Pattern, str]] = {}

    def add(self, name: str, pattern: Pattern, label: str = "") -> None:
        """Gives `pattern` a name; the same pattern may have it twice, for two methods. `label` is what an error calls it.

        Raises:
            DuplicateName: another pattern has it.
        """
        label = label or repr(pattern.text)
        known, first = self._patterns.setdefault(name, (pattern, label))
        if known.text != pattern.text:
            raise DuplicateName(name, first, label)

    def mount(self, namespace: str, prefix: Pattern | None, names: "Names") -> None:
        """Takes over the names of an app mounted at `prefix`, as `namespace:name`.

        Raises:
            DuplicateName: another pattern has such a name.
            BadPattern: a path has a parameter of the prefix again.
        """
        for name, (pattern, label) in names._patterns.items():
            self.add(qualified(namespace, name), pattern.under(prefix), label)

    def path(self, name: str, root_path: str, values: Mapping[str, Any]) -> str:
        """The path of a named route, escaped, `root_path` in front.

        Raises:
            UnknownName: no route has that name.
            ValueError: a value is missing, too many, or would not be read back.
        """
        if name not in self._patterns:
            raise UnknownName(name, sorted(self._patterns))
        return encode_path(root_path) + self._patterns[name][0].spell(values)
