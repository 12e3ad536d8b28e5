"""What msgspec knows of a type, asked at build, and the way from text to it."""

import datetime
import decimal
import inspect
import itertools
import uuid
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast, get_args

import msgspec
from msgspec import inspect as types
from typing_extensions import TypeIs

from pagi.endpoints.codecs import PLAIN, Codecs, Hook
from pagi.endpoints.invalid import Unfit
from pagi.endpoints.misfits import told_by

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
_COLLECTIONS = (types.ListType, types.SetType, types.FrozenSetType, types.VarTupleType, types.TupleType)
_OF_TYPES: dict[type[Any], type[types.Type]] = {
    str: types.StrType,
    int: types.IntType,
    float: types.FloatType,
    bool: types.BoolType,
    decimal.Decimal: types.DecimalType,
    datetime.datetime: types.DateTimeType,
    datetime.date: types.DateType,
    datetime.time: types.TimeType,
    datetime.timedelta: types.TimeDeltaType,
    uuid.UUID: types.UUIDType,
}
_RECORDS = (types.StructType, types.DataclassType, types.TypedDictType, types.NamedTupleType)

_BOOLEANS = {"true": True, "1": True, "on": True, "yes": True, "false": False, "0": False, "off": False, "no": False}

_NOT_FINITE = {"nan", "snan", "inf", "infinity"}

_ANY: tuple[None, ...] = (None,)
"""One more than a tuple has: msgspec is to say that these are too many."""


class UnknownType(TypeError):
    """msgspec cannot decode this type."""


def info_of(annotation: Any, codecs: Codecs = PLAIN) -> types.Type:
    """How msgspec sees the type, with what the codecs teach it.

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
        if isinstance(each, types.CustomType) and not codecs.know(each.cls):
            raise UnknownType(f"nothing here knows how {show(each.cls)} is decoded; teach it with App(codecs=[...])")
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
    return len(members) == 1 and isinstance(members[0], _COLLECTIONS) and all(map(is_scalar, _items(members[0])))


def _items(collection: types.Type) -> tuple[types.Type, ...]:
    return collection.item_types if isinstance(collection, types.TupleType) else (cast("types.ListType", collection).item_type,)


def takes(info: types.Type, given: type[Any]) -> bool:
    """A value of class `given` may be one of the type: it names the class, or is an Enum or Literal of such values."""
    wanted = _OF_TYPES.get(given)
    for member in _members(info):
        if wanted is not None and isinstance(member, wanted):
            return True
        if isinstance(member, types.LiteralType) and all(isinstance(value, given) for value in member.values):
            return True
        if isinstance(member, types.EnumType) and all(isinstance(value.value, given) for value in member.cls):
            return True
    return False


def record_fields(info: types.Type) -> tuple[types.Field, ...] | None:
    """The fields of a struct, dataclass, typed dictionary or named tuple; None for anything else."""
    plain = bare(info)
    return plain.fields if isinstance(plain, _RECORDS) else None


def is_taught(info: types.Type) -> bool:
    """A codec reads it: of one text, where text is what there is."""
    members = [member for member in _members(info) if not isinstance(member, types.NoneType)]
    return len(members) == 1 and isinstance(members[0], types.CustomType)


def from_text(annotation: Any, info: types.Type, place: str, codecs: Codecs = PLAIN) -> Convert | None:
    """What makes the annotated type of one text; None where text is what is wanted."""
    members = _members(info)
    if members[0] == types.StrType() and all(isinstance(member, (types.StrType, types.NoneType)) for member in members):
        return None
    return _converting(annotation, speller(info), place, codecs.hook)


def from_texts(annotation: Any, info: types.Type, place: str, codecs: Codecs = PLAIN) -> Convert:
    """What makes the annotated collection of several texts."""
    return _converting(annotation, texts_speller(info), place, codecs.hook)


def _converting(annotation: Any, spelled: Convert | None, place: str, hook: Hook | None) -> Convert:
    def convert(given: Any) -> Any:
        try:
            return msgspec.convert(given if spelled is None else spelled(given), annotation, strict=False, dec_hook=hook)
        except msgspec.ValidationError as error:
            misfit = told_by(error, place, strict=False)
            raise Unfit(misfit.path, misfit.message) from error

    return convert


def speller(info: types.Type) -> Convert | None:
    """What a text goes through before msgspec reads it as a value of this type; None where it goes as it is."""
    members = _members(info)
    if any(isinstance(member, types.BoolType) for member in members):
        return boolean
    return finite if any(isinstance(member, (types.FloatType, types.DecimalType)) for member in members) else None


def texts_speller(info: types.Type) -> Convert | None:
    """`speller` for a collection: of a list of texts."""
    collection = next(member for member in _members(info) if isinstance(member, _COLLECTIONS))
    spellers = [speller(item) for item in _items(collection)]
    if not any(spellers):
        return None

    def spelled(texts: list[Any]) -> list[Any]:
        several = spellers if isinstance(collection, types.TupleType) else itertools.repeat(spellers[0])
        return [text if spell is None else spell(text) for text, spell in zip(texts, itertools.chain(several, _ANY), strict=False)]

    return spelled


def boolean(text: Any) -> Any:
    """What forms and query strings write for true and false, as msgspec wants it; anything else stays what it is.

    >>> boolean("yes"), boolean("OFF"), boolean("maybe")
    (True, False, 'maybe')
    """
    return _BOOLEANS.get(text.lower(), text) if isinstance(text, str) else text


def finite(text: Any) -> Any:
    """The text of a number. What is none, or endless, becomes a text that says so: JSON has no such numbers, and they pass every limit.

    >>> finite("1e3"), finite("-Infinity")
    ('1e3', 'not a number: -Infinity')
    """
    is_odd = isinstance(text, str) and text.strip().lstrip("+-").lower() in _NOT_FINITE
    return f"not a number: {text}" if is_odd else text


def show(annotation: Any) -> str:
    """How errors spell an annotation."""
    return annotation.__name__ if inspect.isclass(annotation) and not get_args(annotation) else str(annotation)
