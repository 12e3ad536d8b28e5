"""What can be wrong with providers and dependencies: nearly all of it is found when the app is built."""

from collections.abc import Sequence

from pagi.gateway.annotations import name_of
from pagi.http.errors import AppError, ConfigError


class BadProvider(ConfigError):
    """A provider cannot be used as it is."""

    def __init__(self, function: object, problem: str) -> None:
        super().__init__(f"provider {name_of(function)} {problem}")


class DuplicateProvider(ConfigError):
    """Two providers make the same type."""

    def __init__(self, provided: str, first: object, second: object) -> None:
        super().__init__(
            f"{provided} is provided twice, by {name_of(first)} and by {name_of(second)}; remove one, "
            f"or give one a type of its own with provides= or a NewType"
        )


class DependencyCycle(ConfigError):
    """Dependencies need each other in a circle."""

    def __init__(self, chain: Sequence[str]) -> None:
        super().__init__(f"dependencies need each other in a circle: {' -> '.join(chain)}; have one of them take what it needs in a call")
        self.chain = tuple(chain)


class LifetimeViolation(ConfigError):
    """Something that lives long asks for something that ends earlier."""

    def __init__(self, chain: Sequence[str], lifetime: str, wanted: str, shorter: str) -> None:
        super().__init__(
            f"{' -> '.join(chain)} has scope {lifetime!r} and may not take {wanted}, which has scope {shorter!r} and ends earlier; "
            f"give the former scope {shorter!r}, or have it take the longer-lived thing that the latter is made from"
        )


class NotResolvable(ConfigError):
    """`ctx.resolve` was asked for something that was not known when the app was built."""

    def __init__(self, wanted: str, known: Sequence[str]) -> None:
        there = ", ".join(known) or "nothing"
        super().__init__(f"ctx.resolve cannot make {wanted}: there is {there}; add a provider for it to App(providers=[...])")


class NotResolvableHere(ConfigError):
    """`ctx.resolve` was asked for something that asks itself for what is not there: of another kind, of a path, of a call."""


class NoAppScope(AppError):
    """A value that lives as long as the application is asked for, and the application was never started."""

    def __init__(self) -> None:
        super().__init__(
            "a provider of scope 'app' is used, but the lifespan of the application did not run; serve it with a lifespan "
            "(pagi run does, `--lifespan on` elsewhere), enter TestClient(app), or forward the lifespan where it is mounted"
        )


class BadGenerator(AppError):
    """A generator provider gave no value, or more than one."""

    def __init__(self, function: object, problem: str) -> None:
        super().__init__(f"provider {name_of(function)} {problem}; it must yield exactly once")
