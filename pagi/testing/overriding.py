"""Other values in the place of dependencies, for tests: the application says itself how it is made anew with them."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

from typing_extensions import TypeIs

from pagi.gateway.types import AnyApp
from pagi.http.errors import ConfigError
from pagi.injection.registry import Use


@runtime_checkable
class Overridable(Protocol):
    """An application whose dependencies can be replaced."""

    async def __call__(self, scope: Any, receive: Any, send: Any, /) -> None: ...
    def build(self) -> None: ...
    def overridden(self, overrides: Mapping[Any, Any], *, is_running: bool = False) -> "Overridable": ...


def is_overridable(app: object) -> TypeIs[Overridable]:
    """It is an App of pagi's."""
    return isinstance(app, Overridable)


def overridden(app: AnyApp, overrides: Mapping[Any, Any], *, is_running: bool = False) -> AnyApp:
    """The application with these values in place.

    Raises:
        ConfigError: it is none of pagi's, or it is too late for one of them.
    """
    if not is_overridable(app):
        raise ConfigError(f"only a pagi App has dependencies to override, and this is {app!r}")
    made = app.overridden(overrides, is_running=is_running)
    made.build()
    return made


def stand_in(values: tuple[object, ...], use: Callable[..., Any] | None) -> object:
    """What an override gives: the one value, or another function.

    Raises:
        ConfigError: neither or both are given.
    """
    if len(values) + (use is not None) != 1:
        raise ConfigError("override(target, value) takes a value, or use=function in its place")
    return values[0] if use is None else Use(use)
