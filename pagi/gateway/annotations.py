"""What a callable says it takes and gives: unwrapped, resolved, read once while the app is built."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from typing_extensions import get_type_hints

from pagi.http.errors import ConfigError


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
    """The parameters still to be given, `self` left out, with resolved annotations. `return` is not among them.

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
    return {
        name: parameter.replace(annotation=hints.get(name, inspect.Parameter.empty)) for name, parameter in signature.parameters.items()
    }


def hints_of(function: object) -> dict[str, Any]:
    """The resolved annotations, `return` included.

    Raises:
        UnresolvedAnnotation: a name in them exists only for the type checker.
    """
    bare = unwrapped(function)
    try:
        return get_type_hints(bare, include_extras=True)
    except NameError as error:
        raise UnresolvedAnnotation(
            f"an annotation of {name_of(function)} cannot be resolved: {error}; import the name at run time, not under TYPE_CHECKING"
        ) from error


def is_async(function: object) -> bool:
    """Calling it gives a coroutine."""
    return inspect.iscoroutinefunction(unwrapped(function))


def is_async_generator(function: object) -> bool:
    """Calling it gives an async generator."""
    return inspect.isasyncgenfunction(unwrapped(function))
