"""What msgspec knows of a type, asked at build, and the way from text to it."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, get_args

import msgspec
from msgspec import inspect as types
from typing_extensions import TypeIs

from pagi.endpoints.invalid import Unfit

Convert = Callable[[Any], Any]
"""From text (or texts, or a mapping of them) to a value. Raises Unfit."""

_SCALARS = (
    types.StrType,
    types.IntType,
    types.FloatType,
    types.BoolType,
    types.DecimalType,
    types.DateTimeType,
    types.DateType,
    types.TimeType,
    types.TimeDeltaType,
    types.UUIDType,
    types.EnumType,
    types.LiteralType,
    types.NoneType,
)
_COLLECTIONS = (types.ListType, types.SetType, types.FrozenSetType, types.VarTupleType)
_RECORDS = (types.StructType, types.DataclassType, types.TypedDictType, types.NamedTupleType)

_BOOLEANS = {"true": True, "1": True, "on": True, "yes": True, "false": False, "0": False, "off": False, "no": False}

_TEXT_WAS_GOT = ", got `str`"


class UnknownType(TypeError):
    """msgspec cannot decode this type."""


def info_of(annotation: Any) -> types.Type:
    """How msgspec sees the type.

    Raises:
        UnknownType: it is, or holds, a class that msgspec does not know, or a type variable that nothing stands for.
    """
    if isinstance(annotation, TypeVar) or any(isinstance(each, TypeVar) for each in _arguments(annotation)):
        raise UnknownType(f"{show(annotation)} holds a type variable; write the type that stands for it")
    try:
        info = types.type_info(annotation)
        msgspec.json.Decoder(annotation)
    except (TypeError, ValueError, NotImplementedError) as error:
        raise UnknownType(f"nothing here knows how {show(annotation)} is decoded: {error}") from error
    for each in _walk(info, set()):
        if isinstance(each, types.CustomType):
            raise UnknownType(f"nothing here knows how {show(each.cls)} is decoded")
    return info


def _arguments(annotation: Any) -> Iterator[Any]:
    for argument in get_args(annotation):
        yield argument
        yield from _arguments(argument)


def _walk(info: Any, seen: set[int]) -> Iterator[types.Type]:
    """A type and all that it is made of."""
    if id(info) in seen:
        return
    seen.add(id(info))
    if isinstance(info, types.Metadata):
        yield from _walk(info.type, seen)
    elif isinstance(info, types.Type):
        yield info
        for name in info.__struct_fields__:
            value: Any = getattr(info, name)
            for each in value if _is_several(value) else (value,):
                yield from _walk(each.type if isinstance(each, types.Field) else each, seen)


def _is_several(value: object) -> TypeIs[tuple[Any, ...]]:
    return isinstance(value, tuple)


def bare(info: types.Type) -> types.Type:
    """Without what is only said for descriptions."""
    return bare(info.type) if isinstance(info, types.Metadata) else info


def _members(info: types.Type) -> tuple[types.Type, ...]:
    plain = bare(info)
    return tuple(map(bare, plain.types)) if isinstance(plain, types.UnionType) else (plain,)


def is_scalar(info: types.Type) -> bool:
    """One text stands for it."""
    return all(isinstance(member, _SCALARS) for member in _members(info))


def is_collection(info: types.Type) -> bool:
    """Several texts stand for it: a list, set or tuple of scalars, or None instead."""
    members = [member for member in _members(info) if not isinstance(member, types.NoneType)]
    return len(members) == 1 and isinstance(members[0], _COLLECTIONS) and is_scalar(members[0].item_type)


def record_fields(info: types.Type) -> tuple[types.Field, ...] | None:
    """The fields of a struct, dataclass, typed dictionary or named tuple; None for anything else."""
    plain = bare(info)
    return plain.fields if isinstance(plain, _RECORDS) else None


def from_text(annotation: Any, info: types.Type, place: str) -> Convert | None:
    """What makes the annotated type of one text; None where text is what is wanted."""
    members = _members(info)
    if members[0] == types.StrType() and all(isinstance(member, (types.StrType, types.NoneType)) for member in members):
        return None
    is_boolean = any(isinstance(member, types.BoolType) for member in members)

    def convert(text: Any) -> Any:
        try:
            return msgspec.convert(boolean(text) if is_boolean else text, annotation, strict=False)
        except msgspec.ValidationError as error:
            raise Unfit(place, said_of_text(error)) from error

    return convert


def from_texts(annotation: Any, info: types.Type, place: str) -> Convert:
    """What makes the annotated collection of several texts."""
    collection = next(member for member in _members(info) if isinstance(member, _COLLECTIONS))
    is_boolean = any(isinstance(member, types.BoolType) for member in _members(collection.item_type))

    def convert(texts: list[Any]) -> Any:
        try:
            return msgspec.convert([boolean(text) for text in texts] if is_boolean else texts, annotation, strict=False)
        except msgspec.ValidationError as error:
            raise Unfit(place, said_of_text(error)) from error

    return convert


def boolean(text: Any) -> Any:
    """What forms and query strings write for true and false, as msgspec wants it; anything else stays what it is.

    >>> boolean("yes"), boolean("OFF"), boolean("maybe")
    (True, False, 'maybe')
    """
    return _BOOLEANS.get(text.lower(), text)


def holds_boolean(info: types.Type) -> bool:
    """Text for it goes through `boolean` first."""
    return any(isinstance(member, types.BoolType) for member in _members(info))


def said_of_text(error: msgspec.ValidationError) -> str:
    """What msgspec said, without the news that text was text."""
    return str(error).removesuffix(_TEXT_WAS_GOT)


def show(annotation: Any) -> str:
    """How errors spell an annotation."""
    return annotation.__name__ if inspect.isclass(annotation) and not get_args(annotation) else str(annotation)
