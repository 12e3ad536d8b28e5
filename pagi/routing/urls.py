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
        super().__init__(f"the name {name!r} is given to {first!r} and to {second!r}; each path needs its own")


class UnknownName(LookupError):
    """No route has this name."""

    def __init__(self, name: str, names: list[str]) -> None:
        listed = f"there are {', '.join(names)}" if 0 < len(names) <= _MOST_NAMES_LISTED else f"there are {len(names)} names"
        super().__init__(f"no route is named {name!r}; {listed}")
        self.name = name


class Names:
    """What `url_for` knows."""

    def __init__(self) -> None:
        self._patterns: dict[str, Pattern] = {}

    def add(self, name: str, pattern: Pattern) -> None:
        """Gives `pattern` a name; the same pattern may have it twice, for two methods.

        Raises:
            DuplicateName: another pattern has it.
        """
        known = self._patterns.setdefault(name, pattern)
        if known.text != pattern.text:
            raise DuplicateName(name, known.text, pattern.text)

    def path(self, name: str, root_path: str, values: Mapping[str, Any]) -> str:
        """The path of a named route, escaped, `root_path` in front.

        Raises:
            UnknownName: no route has that name.
            ValueError: a value is missing, too many, or would not match.
        """
        pattern = self._patterns.get(name)
        if pattern is None:
            raise UnknownName(name, sorted(self._patterns))
        return encode_path(root_path) + pattern.spell(values)
