"""What stands for the type variables of a generic base: `Items(CRUD[Item])` says it for every method of `CRUD`."""

from collections.abc import Mapping
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin


def type_arguments(owner: type[Any]) -> dict[Any, Any]:
    """From each type variable of the bases of `owner` to what it is there.

    >>> from typing import Generic, TypeVar
    >>> T = TypeVar("T")
    >>> class CRUD(Generic[T]): ...
    >>> class Items(CRUD[int]): ...
    >>> type_arguments(Items)
    {~T: <class 'int'>}
    """
    known: dict[Any, Any] = {}
    for base in owner.__mro__:
        for generic in vars(base).get("__orig_bases__", ()):
            parameters = getattr(get_origin(generic), "__parameters__", ())
            for parameter, argument in zip(parameters, get_args(generic), strict=False):
                known.setdefault(parameter, substituted(argument, known))
    return {parameter: argument for parameter, argument in known.items() if parameter is not argument}


def substituted(annotation: Any, known: Mapping[Any, Any]) -> Any:
    """The annotation with what stands for its type variables."""
    if isinstance(annotation, TypeVar):
        return known.get(annotation, annotation)
    origin = get_origin(annotation)
    if not known or origin is None:
        return annotation
    arguments = tuple(substituted(argument, known) for argument in get_args(annotation))
    if arguments == get_args(annotation):
        return annotation
    if origin is Annotated:
        return Annotated[arguments]
    if origin in (Union, UnionType):
        return Union[arguments]  # noqa: UP007 -- of a tuple
    return origin[arguments]
