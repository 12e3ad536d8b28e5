"""What the client sent, as arguments: path, query, header and cookie; each a small function of the context, made at build."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from pagi.endpoints.codecs import PLAIN, Codecs
from pagi.endpoints.invalid import Unfit
from pagi.endpoints.misfits import misfits
from pagi.endpoints.values import (
    Convert,
    from_text,
    from_texts,
    info_of,
    is_collection,
    is_scalar,
    is_taught,
    record_fields,
    speller,
    texts_speller,
)
from pagi.http.errors import AppError
from pagi.injection.plan import Leaf

Place = Literal["path", "query", "header", "cookie"]

REQUIRED: Any = inspect.Parameter.empty
"""Stands for the default of what has none."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where texts of one place are found in a context."""

    one: Callable[[Any], Callable[[str], str | None]]
    """Gives the look-up of a name's last value."""
    many: Callable[[Any], Callable[[str], list[str]]] | None = None
    """Gives the look-up of all values; None where names cannot repeat."""


SOURCES: dict[Place, Source] = {
    "query": Source(lambda ctx: ctx.query.get, lambda ctx: ctx.query.get_all),
    "header": Source(lambda ctx: ctx.headers.get, lambda ctx: ctx.headers.get_all),
    "cookie": Source(lambda ctx: ctx.cookies.get),
}


class NoSuchInput(TypeError):
    """A place of the request cannot give what an annotation asks for."""


def spelled(place: Place, name: str) -> str:
    """How a parameter's name is written on the wire: `x_token` is the field `x-token`."""
    return name.replace("_", "-") if place == "header" else name


def input_leaf(place: Place, name: str, annotation: Any, default: Any, codecs: Codecs = PLAIN) -> Leaf:
    """The argument that `name` of this place gives. `name` is as it is on the wire.

    Raises:
        UnknownType: the annotation cannot be made of text.
        NoSuchInput: the place has no such values.
    """
    info = info_of(annotation, codecs)
    where = f"{place}.{name}"
    source = SOURCES[place]
    if is_scalar(info) or is_taught(info):
        read = _one(source, name, where, from_text(annotation, info, where, codecs), default)
    elif is_collection(info):
        if source.many is None:
            raise NoSuchInput(f"a {place} has one value; lists are for query, header and form")
        read = _many(source.many, name, where, from_texts(annotation, info, where, codecs), default)
    elif record_fields(info) is not None:
        read = _model(place, source, annotation, codecs)
    else:
        raise NoSuchInput(f"a {place} is text: a scalar, a list of them, or a struct for all of it")
    return Leaf("{0}(ctx)", read, f"{place} parameter {name!r}", misfit=read)


def path_leaf(name: str, convert: Convert | None) -> Leaf:
    """The argument that a parameter of the path gives, converted where its converter has not done so already."""
    what = f"path parameter {name!r}"
    if convert is None:
        return Leaf("ctx.path_params[{0}]", name, what)

    def read(ctx: Any) -> Any:
        return convert(ctx.path_params[name])

    return Leaf("{0}(ctx)", read, what, misfit=read)


class NotInPath(AppError):
    """Something was resolved that needs a parameter of the path, where the matched path has none of that name."""

    def __init__(self, name: str, path: str) -> None:
        super().__init__(f"what was resolved needs the path parameter {name!r}, and what matched {path} has none of that name")


def matched_leaf(name: str, annotation: Any, codecs: Codecs = PLAIN) -> Leaf:
    """For what is made outside of any route and comes from the path alone: never from what a client may add to the query.

    Raises:
        UnknownType: the annotation cannot be made of text.
    """
    convert = from_text(annotation, info_of(annotation, codecs), f"path.{name}", codecs)

    def read(ctx: Any) -> Any:
        if name not in ctx.path_params:
            raise NotInPath(name, ctx.path)
        value = ctx.path_params[name]
        return value if convert is None else convert(value)

    return Leaf("{0}(ctx)", read, f"path parameter {name!r}", misfit=read)


def query_leaf(name: str, annotation: Any, default: Any, codecs: Codecs = PLAIN) -> Leaf:
    """`input_leaf` of the query."""
    return input_leaf("query", name, annotation, default, codecs)


def path_or_query_leaf(name: str, annotation: Any, default: Any, codecs: Codecs = PLAIN) -> Leaf:
    """For what is made outside of any route: the parameter of the path where the matched one has it, else the query."""
    query = input_leaf("query", name, annotation, default, codecs)
    info = info_of(annotation, codecs)
    convert = from_text(annotation, info, f"path.{name}", codecs) if is_scalar(info) or is_taught(info) else None

    def read(ctx: Any) -> Any:
        if name not in ctx.path_params:
            return query.value(ctx)
        value = ctx.path_params[name]
        return value if convert is None else convert(value)

    return Leaf("{0}(ctx)", read, f"parameter {name!r}", misfit=read)


def _one(source: Source, name: str, where: str, convert: Convert | None, default: Any) -> Convert:
    one = source.one

    def read(ctx: Any) -> Any:
        text = one(ctx)(name)
        if text is None:
            if default is REQUIRED:
                raise Unfit(where, "is required")
            return default
        return text if convert is None else convert(text)

    return read


def _many(many: Callable[[Any], Callable[[str], list[str]]], name: str, where: str, convert: Convert, default: Any) -> Convert:
    def read(ctx: Any) -> Any:
        texts = many(ctx)(name)
        if not texts:
            if default is REQUIRED:
                raise Unfit(where, "is required")
            return default
        return convert(texts)

    return read


def _model(place: Place, source: Source, annotation: Any, codecs: Codecs) -> Convert:
    fields = record_fields(info_of(annotation, codecs)) or ()
    if source.many is None and any(is_collection(field.type) for field in fields):
        raise NoSuchInput(f"a {place} has one value; lists are for query, header and form")
    gather = gatherer(annotation, lambda name: spelled(place, name), codecs)

    def read(ctx: Any) -> Any:
        many = source.many(ctx) if source.many is not None else None
        return as_model(gather(source.one(ctx), many), annotation, place, codecs)

    return read


def gatherer(
    annotation: Any, spell: Callable[[str], str], codecs: Codecs
) -> Callable[[Callable[[str], Any], Callable[[str], list[Any]] | None], dict[str, Any]]:
    """A function that puts the texts for a struct's fields together, each spelled as msgspec wants it."""
    fields = [
        (field.encode_name, spell(field.encode_name), is_collection(info), texts_speller(info) if is_collection(info) else speller(info))
        for field in record_fields(info_of(annotation, codecs)) or ()
        for info in (field.type,)
    ]

    def gather(one: Callable[[str], Any], many: Callable[[str], list[Any]] | None) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, wire_name, is_many, spelled_out in fields:
            if is_many and many is not None:
                if texts := many(wire_name):
                    found[name] = texts if spelled_out is None else spelled_out(texts)
            elif (text := one(wire_name)) is not None:
                found[name] = text if spelled_out is None else spelled_out(text)
        return found

    return gather


def as_model(found: Mapping[str, Any], annotation: Any, place: str, codecs: Codecs) -> Any:
    """The struct of these texts.

    Raises:
        Unfit: they do not fit.
    """
    try:
        return msgspec.convert(found, annotation, strict=False, dec_hook=codecs.hook)
    except msgspec.ValidationError as error:
        raise Unfit(place, str(error), misfits(found, annotation, place, strict=False, hook=codecs.hook)) from error
