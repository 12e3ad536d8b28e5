"""What does not fit inside of one decoded value: msgspec stops at the first misfit, people want to hear of all."""

import inspect
import itertools
import re
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

import msgspec
from typing_extensions import TypeIs

from pagi.endpoints.codecs import Hook
from pagi.endpoints.invalid import MOST_ERRORS, InputError

_DEEPEST = 16
"""How far in the parts of a value are told apart: further in, the first misfit stands for the rest."""

_PATH = re.compile(r" - at `\$(?P<path>[^`]*)`$")

_TEXT_WAS_GOT = ", got `str`"


class Reading(NamedTuple):
    """How values are read."""

    strict: bool
    hook: Hook | None


def misfits(value: Any, annotation: Any, path: str, *, strict: bool = True, hook: Hook | None = None) -> list[InputError]:
    """Each part of `value` that does not fit, the first of them; empty where all of it fits."""
    return list(itertools.islice(_misfits(value, annotation, path, Reading(strict, hook), _DEEPEST), MOST_ERRORS))


def told_by(error: msgspec.ValidationError, path: str, *, strict: bool = True) -> InputError:
    """What msgspec said, and where. Where all was text (not `strict`), that it got text is no news."""
    told = str(error)
    found = _PATH.search(told)
    if found:
        path, told = path + found["path"], told[: found.start()]
    return InputError(path, told if strict else told.removesuffix(_TEXT_WAS_GOT))


def _misfits(value: Any, annotation: Any, path: str, how: Reading, depth: int) -> Iterator[InputError]:
    # First as a whole, in C: what fits is never walked through, however large it is.
    try:
        msgspec.convert(value, annotation, strict=how.strict, str_keys=True, dec_hook=how.hook)
    except msgspec.ValidationError as error:
        told = told_by(error, path, strict=how.strict)
    else:
        return
    has_parts = False
    for part in _inside(value, _plain(annotation), path, how, depth - 1) if depth else ():
        has_parts = True
        yield part
    if not has_parts:
        yield told


def _inside(value: Any, plain: Any, path: str, how: Reading, depth: int) -> Iterator[InputError]:
    origin, arguments = get_origin(plain) or plain, get_args(plain)
    if _is_object(value) and inspect.isclass(origin) and issubclass(origin, msgspec.Struct):
        yield from _in_struct(value, plain, path, how, depth)
    elif _is_object(value) and origin is dict and arguments:
        for key, item in value.items():
            yield from _misfits(item, arguments[1], f"{path}[{key!r}]", how, depth)
    elif _is_array(value) and origin in (list, set, frozenset) and arguments:
        for index, item in enumerate(value):
            yield from _misfits(item, arguments[0], f"{path}[{index}]", how, depth)


def _in_struct(record: dict[str, Any], struct: Any, path: str, how: Reading, depth: int) -> Iterator[InputError]:
    config = (get_origin(struct) or struct).__struct_config__
    if config.tag_field is not None and record.get(config.tag_field, config.tag) != config.tag:
        return  # it is another struct: nothing can be said of the fields
    fields = msgspec.structs.fields(struct)
    for field in fields:
        place = f"{path}.{field.encode_name}"
        if field.encode_name in record:
            yield from _misfits(record[field.encode_name], field.type, place, how, depth)
        elif field.required:
            yield InputError(place, "is required")
    if config.forbid_unknown_fields:
        known = {field.encode_name for field in fields} | {config.tag_field}
        yield from (InputError(f"{path}.{name}", "is not known here") for name in record if name not in known)


def _plain(annotation: Any) -> Any:
    """Without what is said beside the type, and X of `X | None`."""
    if get_origin(annotation) is Annotated:
        return _plain(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        members = [member for member in get_args(annotation) if member is not NoneType]
        return _plain(members[0]) if len(members) == 1 else annotation
    return annotation


def _is_object(value: object) -> TypeIs[dict[Any, Any]]:
    return isinstance(value, dict)


def _is_array(value: object) -> TypeIs[list[Any]]:
    return isinstance(value, list)
