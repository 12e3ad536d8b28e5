"""What a callable says it takes and gives: unwrapped, resolved, read once while the app is built."""

import functools
import inspect
import typing
from collections.abc import Callable, Iterator
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import typing_extensions
from typing_extensions import TypeIs, get_type_hints

from pagi.http.errors import ConfigError

# Where the language has `type X = ...`, there may be two of them: Python's, and the one of typing_extensions.
_ALIASES: tuple[type[Any], ...] = (typing_extensions.TypeAliasType, getattr(typing, "TypeAliasType", typing_extensions.TypeAliasType))


class UnresolvedAnnotation(ConfigError):
    """An annotation names something that does not exist at run time."""


def name_of(function: object) -> str:
    """How errors call a handler or middleware."""
    bare = unwrapped(function)
    qualified = getattr(bare, "__qualname__", None) or type(bare).__qualname__
    module = getattr(bare, "__module__", None)
    return f"{module}.{qualified}" if module else str(qualified)


def unwrapped(function: Any) -> Any:
    """The function that is really called: without partials, `functools.wraps` and binding, and `__call__` of an instance."""
    while True:
        if type(function) is functools.partial:
            function = function.func
        elif hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        elif inspect.ismethod(function):
            function = function.__func__
        elif not inspect.isroutine(function) and not inspect.isclass(function) and callable(function):
            function = type(function).__call__
        else:
            return function


def parameters_of(function: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The parameters still to be given, `self` and what a `functools.partial` gives left out, with resolved annotations.

    Raises:
        UnresolvedAnnotation: an annotation cannot be resolved.
    """
    signature = inspect.signature(function)
    if inspect.isclass(function) and inspect.isfunction(function.__init__):
        # A class is called through its constructor, whatever `__new__` takes; one without (a struct) says by its fields what it takes.
        constructor = inspect.signature(function.__init__)
        signature = constructor.replace(parameters=list(constructor.parameters.values())[1:])
        hints = hints_of(function.__init__)
    else:
        hints = hints_of(function)
    given = set(_given(function))
    return {
        name: parameter.replace(annotation=hints.get(name, inspect.Parameter.empty))
        for name, parameter in signature.parameters.items()
        if name not in given
    }


def _given(function: Any) -> Iterator[str]:
    """The names that partials give a value. In a signature they look like any other default, and nobody else may fill them."""
    while True:
        if _is_partial(function):
            yield from function.keywords
            function = function.func
        elif hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        else:
            return


def _is_partial(function: object) -> TypeIs[functools.partial[Any]]:
    return isinstance(function, functools.partial)


def hints_of(function: object) -> dict[str, Any]:
    """The resolved annotations, `return` included, with what type aliases stand for.

    Raises:
        UnresolvedAnnotation: a name in them exists only for the type checker.
    """
    bare = unwrapped(function)
    try:
        hints: dict[str, Any] = get_type_hints(bare, include_extras=True)
        return {name: without_aliases(hint) for name, hint in hints.items()}
    except NameError as error:
        raise UnresolvedAnnotation(
            f"an annotation of {name_of(function)} cannot be resolved: {error}; import the name at run time, not under TYPE_CHECKING"
        ) from error


def without_aliases(annotation: Any, inside: tuple[Any, ...] = ()) -> Any:
    """The annotation with what stands for its type aliases (`type X = ...`), generic ones included. A recursive one is left.

    >>> from typing import TypeVar
    >>> from typing_extensions import TypeAliasType
    >>> T = TypeVar("T")
    >>> Page = TypeAliasType("Page", dict[str, list[T]], type_params=(T,))
    >>> without_aliases(Page[int] | None)
    dict[str, list[int]] | None
    """
    origin = get_origin(annotation)
    alias = annotation if isinstance(annotation, _ALIASES) else origin
    if isinstance(alias, _ALIASES):
        return annotation if alias in inside else without_aliases(_meant(alias, get_args(annotation)), (*inside, alias))
    return rebuilt(annotation, lambda argument: without_aliases(argument, inside))


def _meant(alias: Any, arguments: tuple[Any, ...]) -> Any:
    """What an alias stands for. `alias[arguments].__value__` would still have its variables in it: they are filled in by hand."""
    value: Any = alias.__value__
    if not arguments:
        return value
    if value in alias.__type_params__:
        return arguments[alias.__type_params__.index(value)]
    wanted = [arguments[alias.__type_params__.index(each)] for each in getattr(value, "__parameters__", ())]
    return value[tuple(wanted)] if wanted else value


def rebuilt(annotation: Any, change: Callable[[Any], Any]) -> Any:
    """The annotation with `change` made to each of its arguments; itself where nothing changes."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is None or origin is typing.Literal:
        return annotation
    if origin is Annotated:
        plain = change(arguments[0])
        return annotation if plain is arguments[0] else Annotated[(plain, *arguments[1:])]
    changed = tuple(change(argument) for argument in arguments)
    if all(new is old for new, old in zip(changed, arguments, strict=True)):
        return annotation
    if origin in (Union, UnionType):
        return functools.reduce(lambda one, other: one | other, changed)
    return origin[changed]


def is_async(function: object) -> bool:
    """Calling it gives a coroutine."""
    return inspect.iscoroutinefunction(unwrapped(function))


def is_async_generator(function: object) -> bool:
    """Calling it gives an async generator."""
    return inspect.isasyncgenfunction(unwrapped(function))
