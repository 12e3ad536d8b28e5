"""What authors write into `Annotated` to say where a value comes from; as a class or as an instance."""

from collections.abc import Callable
from typing import Any

from pagi.http.errors import ConfigError


class Depends:
    """The value of a dependency: a function or a provider, called with what it names itself.

    Within one scope it is called once; `cached=False` calls it anew for everyone who asks.

    Raises:
        ConfigError: `function` cannot be called.
    """

    __slots__ = ("cached", "function")

    def __init__(self, function: Callable[..., Any], /, *, cached: bool = True) -> None:
        if not callable(function):
            raise ConfigError(f"Depends takes a function, a class or a provider; got {function!r}")
        self.function = function
        self.cached = cached

    def __repr__(self) -> str:
        return f"Depends({self.function!r})"


class Input:
    """Something that the client sends. `alias` is its name on the wire, where that is not the parameter's."""

    __slots__ = ("alias",)

    def __init__(self, alias: str | None = None) -> None:
        self.alias = alias

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.alias!r})" if self.alias else type(self).__name__


class Path(Input):
    """A parameter of the path."""

    __slots__ = ()


class Query(Input):
    """A field of the query string; for a struct all of its fields."""

    __slots__ = ()


class Header(Input):
    """A header field, `x_token` for `x-token`; a list takes every repetition; for a struct all of its fields."""

    __slots__ = ()


class Cookie(Input):
    """A cookie; for a struct all of its fields."""

    __slots__ = ()


class Body(Input):
    """The body: octets for `bytes`, text for `str`, everything else decoded from JSON."""

    __slots__ = ()


class Form(Input):
    """A field of a form; for a struct all of its fields."""

    __slots__ = ()


class File(Input):
    """An uploaded file of a multipart form; a list takes every file of that name."""

    __slots__ = ()


MARKERS: tuple[type[Any], ...] = (Depends, Input)
