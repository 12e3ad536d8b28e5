"""Bodies as arguments: octets, text, JSON decoded and validated in one go, and the fields of forms."""

from collections.abc import Awaitable, Callable
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec

from pagi.endpoints.codecs import PLAIN, Codecs
from pagi.endpoints.inputs import REQUIRED, NoSuchInput, as_model, gatherer
from pagi.endpoints.invalid import InputError, Unfit
from pagi.endpoints.misfits import misfits, told_by
from pagi.endpoints.values import from_text, from_texts, info_of, is_collection, is_scalar, is_taught, record_fields
from pagi.http.media_types import InvalidMediaType, parse_media_type
from pagi.injection.plan import Leaf
from pagi.messages.forms import FormData
from pagi.messages.request import BadBody, WithBody
from pagi.messages.response import JSON_TYPE
from pagi.messages.uploads import UploadFile

Opened = Callable[[Any], WithBody]
"""The request that a body follows, of a context."""

MOST_BYTES = 1 << 20
"""Of a larger body only the first misfit is told: whoever sends it shall not make us look twice."""

_JSON = "application/json"


def body_leaf(annotation: Any, default: Any, opened: Opened, codecs: Codecs = PLAIN) -> Leaf:
    """The argument that a whole body gives.

    Raises:
        UnknownType: JSON cannot become the annotated type.
    """
    read: Callable[[Any], Awaitable[Any]]
    plain = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    if plain in (bytes, str):
        read = _octets(opened) if plain is bytes else _text(opened)
        if plain is not annotation:
            info_of(annotation)
            read = _checked(read, annotation)
    else:
        info_of(annotation, codecs)
        read = json_reader(annotation, default, opened, codecs)
    return Leaf("await {0}(ctx)", read, "the body", misfit=read)


def _octets(opened: Opened) -> Callable[[Any], Awaitable[bytes]]:
    def read(ctx: Any) -> Awaitable[bytes]:
        return opened(ctx).body()

    return read


def _text(opened: Opened) -> Callable[[Any], Awaitable[str]]:
    def read(ctx: Any) -> Awaitable[str]:
        return opened(ctx).text()

    return read


def _checked(read: Callable[[Any], Awaitable[Any]], annotation: Any) -> Callable[[Any], Awaitable[Any]]:
    """`read`, within the limits that the annotation sets."""

    async def checked(ctx: Any) -> Any:
        try:
            return msgspec.convert(await read(ctx), annotation)
        except msgspec.ValidationError as error:
            raise Unfit("body", str(error)) from error

    return checked


def json_reader(annotation: Any, default: Any, opened: Opened, codecs: Codecs = PLAIN) -> Callable[[Any], Awaitable[Any]]:
    """Reads, decodes and validates a JSON body. Of equal keys in one object the last one counts."""
    decode = msgspec.json.Decoder(annotation, dec_hook=codecs.hook).decode

    async def read(ctx: Any) -> Any:
        request = opened(ctx)
        data = await request.body()
        if not data:
            if default is REQUIRED:
                raise Unfit("body", "is required")
            return default
        # Anything else could be sent from a foreign page without its browser asking us first (Fetch, CORS-safelisted types).
        if not _is_json(request):
            raise BadBody(f"JSON was expected (content-type: {_JSON}), got {request.content_type or 'no content type'!r}", 415)
        try:
            try:
                return decode(data)
            except msgspec.ValidationError as error:
                raise Unfit("body", str(error), _misfits(data, annotation, error, codecs)) from error
        except RecursionError:
            raise BadBody("the body is not JSON that can be read: it is nested too deeply") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadBody(f"the body is not JSON: {error}") from error

    return read


def _misfits(data: bytes, annotation: Any, first: msgspec.ValidationError, codecs: Codecs) -> list[InputError]:
    """All that does not fit; `first` stopped the decoder, and what follows may still be no JSON at all.

    Raises:
        DecodeError: it is none.
    """
    if len(data) > MOST_BYTES:
        return [told_by(first, "body")]
    try:
        value = msgspec.json.decode(data)
    except msgspec.ValidationError:  # a number that no type holds
        return [told_by(first, "body")]
    return misfits(value, annotation, "body", hook=codecs.hook) or [told_by(first, "body")]


def _is_json(request: WithBody) -> bool:
    # Nearly everybody spells it so: then the fields need no index. Of several the last one counts, as for all who read the field.
    for field in reversed(request.scope.get("headers", ())):
        if field[0] == b"content-type":
            if field == JSON_TYPE:
                return True
            break
    try:
        return parse_media_type(request.headers.get("content-type", "")).is_json
    except InvalidMediaType:
        return False


def form_leaf(name: str, annotation: Any, default: Any, opened: Opened, codecs: Codecs = PLAIN) -> Leaf:
    """The argument that a field of a form gives, or all of them for a struct. An empty field counts as absent.

    Raises:
        UnknownType: text cannot become the annotated type.
        NoSuchInput: a form has no such values.
    """
    info = info_of(annotation, codecs)
    where = f"form.{name}"
    if is_scalar(info) or is_taught(info):
        convert = from_text(annotation, info, where, codecs)

        async def read(ctx: Any) -> Any:
            texts = _texts(await opened(ctx).form(), name)
            if not texts:
                return _absent(where, default)
            return texts[-1] if convert is None else convert(texts[-1])

    elif is_collection(info):
        convert_all = from_texts(annotation, info, where, codecs)

        async def read(ctx: Any) -> Any:
            texts = _texts(await opened(ctx).form(), name)
            return convert_all(texts) if texts else _absent(where, default)

    elif record_fields(info) is not None:
        gather = gatherer(annotation, lambda field: field, codecs)

        async def read(ctx: Any) -> Any:
            form = await opened(ctx).form()
            found = gather(lambda field: next(reversed(_texts(form, field)), None), lambda field: _texts(form, field))
            return as_model(found, annotation, "form", codecs)

    else:
        raise NoSuchInput("a form has fields of text: a scalar, a list of them, or a struct for all of them")
    return Leaf("await {0}(ctx)", read, f"form field {name!r}", misfit=read)


def file_leaf(name: str, annotation: Any, default: Any, opened: Opened) -> Leaf:
    """The argument that an uploaded file gives: `UploadFile`, `bytes`, or a list of one of them.

    Raises:
        NoSuchInput: the annotation is something else.
    """
    where = f"form.{name}"
    plain = _without_none(annotation)
    item = get_args(plain)[0] if get_origin(plain) is list else plain
    if item not in (UploadFile, bytes):
        raise NoSuchInput("a file is an UploadFile, bytes, or a list of one of them")

    async def read(ctx: Any) -> Any:
        found: list[Any] = (await opened(ctx).form()).get_files(name)
        if not found:
            return _absent(where, default)
        if item is bytes:
            found = [file.data for file in found]
        return found if item is not plain else found[-1]

    return Leaf("await {0}(ctx)", read, f"uploaded file {name!r}", misfit=read)


def _without_none(annotation: Any) -> Any:
    members = [member for member in get_args(annotation) if member is not NoneType]
    return members[0] if get_origin(annotation) in (Union, UnionType) and len(members) == 1 else annotation


def _texts(form: FormData, name: str) -> list[str]:
    return [value for value in form.get_all(name) if isinstance(value, str) and value]


def _absent(where: str, default: Any) -> Any:
    if default is REQUIRED:
        raise Unfit(where, "is required")
    return default
