"""What stands for the type variables of a generic base: `Items(CRUD[Item])` says it for every method of `CRUD`."""

import inspect
from collections.abc import Mapping
from typing import Any, TypeVar, get_args, get_origin

from pagi.gateway.annotations import rebuilt


def type_arguments(owner: type[Any], base: type[Any]) -> dict[Any, Any]:
    """From each type variable of `base`, a base of `owner`, to what it is there. Two bases may share a variable and differ in it.

    >>> from typing import Generic, TypeVar
    >>> T = TypeVar("T")
    >>> class Reads(Generic[T]): ...
    >>> class Writes(Generic[T]): ...
    >>> class Items(Reads[int], Writes[str]): ...
    >>> type_arguments(Items, Reads), type_arguments(Items, Writes)
    ({~T: <class 'int'>}, {~T: <class 'str'>})
    """
    if base is owner:
        return {}
    for between in owner.__mro__:
        for generic in vars(between).get("__orig_bases__", ()):
            if get_origin(generic) is base:
                known = type_arguments(owner, between)
                parameters = getattr(base, "__parameters__", ())
                return {parameter: substituted(argument, known) for parameter, argument in zip(parameters, get_args(generic), strict=False)}
    return {}


def definer(owner: type[Any], function: object) -> type[Any]:
    """The class of the mro that `function`, a method of `owner`, stands in; for a class, the one whose constructor it has."""
    if inspect.isclass(function):
        return next((base for base in owner.__mro__ if "__init__" in vars(base)), owner)
    plain = getattr(function, "__func__", function)
    return next((base for base in owner.__mro__ if any(member is plain for member in vars(base).values())), owner)


def substituted(annotation: Any, known: Mapping[Any, Any]) -> Any:
    """The annotation with what stands for its type variables."""
    if isinstance(annotation, TypeVar):
        return known.get(annotation, annotation)
    return rebuilt(annotation, lambda argument: substituted(argument, known)) if known else annotation
