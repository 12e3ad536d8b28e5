"""What a router says about the paths under it, and what it takes over from the routers around it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import get_args

from pagi.http.errors import ConfigError
from pagi.routing.converters import CONVERTERS, Converter, named
from pagi.routing.patterns import BadPattern, Pattern, parse_pattern
from pagi.routing.table import TrailingSlash
from pagi.routing.urls import qualified


@dataclass(frozen=True, slots=True, kw_only=True)
class PathOptions:
    """What a router says about its paths, beside their prefix.

    Raises:
        ConfigError: a policy that is none, or a converter whose name cannot be.
    """

    trailing_slash: TrailingSlash | None = None
    """None: as the router around says."""
    converters: Mapping[str, Converter] = field(default_factory=dict[str, Converter])
    namespace: str = ""

    def __post_init__(self) -> None:
        policies = get_args(TrailingSlash)
        if self.trailing_slash is not None and self.trailing_slash not in policies:
            raise ConfigError(f"trailing_slash is one of {', '.join(policies)}; got {self.trailing_slash!r}")
        object.__setattr__(self, "converters", named(self.converters))

    def over(self, other: "PathOptions") -> "PathOptions":
        """These, and where they say nothing the `other` ones."""
        return PathOptions(
            trailing_slash=self.trailing_slash or other.trailing_slash,
            converters={**other.converters, **self.converters},
            namespace=self.namespace or other.namespace,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something is registered: what stands before its path and name, and what holds for it."""

    prefix: str = ""
    slash: TrailingSlash = "redirect"
    converters: Mapping[str, Converter] = field(default_factory=lambda: CONVERTERS)
    namespace: str = ""

    def below(self, prefix: str) -> "Place":
        """The place behind one more prefix."""
        return replace(self, prefix=self.prefix + prefix)

    def inside(self, prefix: str, options: PathOptions, namespace: str | None = None) -> "Place":
        """The place inside of a router. With a `namespace`, its own does not count."""
        return Place(
            prefix=self.prefix + prefix,
            slash=options.trailing_slash or self.slash,
            converters={**self.converters, **options.converters},
            namespace=qualified(self.namespace, options.namespace if namespace is None else namespace),
        )

    def pattern(self, path: str) -> Pattern:
        """The pattern of a route; the root of a router with a prefix has no slash.

        Raises:
            BadPattern: see `parse_pattern`.
        """
        if path and not path.startswith("/"):
            raise BadPattern(path, "must start with '/'")
        return parse_pattern(self.prefix if self.prefix and path == "/" else self.prefix + path, self.converters)

    def name(self, name: str, label: str) -> str:
        """The whole name of a route.

        Raises:
            ConfigError: it is empty.
        """
        if not name:
            raise ConfigError(f"{label}: a name has at least one character")
        return qualified(self.namespace, name)
