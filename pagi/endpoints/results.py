"""From what a handler returns to a Response; decided by the type of the value, and by the annotation where it is None."""

from collections.abc import AsyncIterable, Callable, Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Union, cast, get_args, get_origin

import msgspec
from typing_extensions import TypeIs

from pagi.context.http import HTTPContext
from pagi.gateway.annotations import hints_of, name_of
from pagi.http.errors import AppError
from pagi.messages.response import BYTES_TYPE, JSON_TYPE, TEXT_TYPE, Response, SentResponse, whole
from pagi.messages.stream import Stream

Render = Callable[[Any, Any], Response]
"""Makes the Response of a context and a result."""

_NULL = b"null"


class BadResult(AppError):
    """A handler returned what cannot be an answer."""

    def __init__(self, handler: object, problem: str) -> None:
        super().__init__(f"{name_of(handler)} {problem}")


def renderer(handler: Callable[..., Any], encode: Callable[[Any], bytes]) -> Render:
    """The function that turns results of `handler` into responses."""
    returns = hints_of(handler).get("return")
    if get_origin(returns) is Annotated:
        returns = get_args(returns)[0]
    returns_none = returns is NoneType
    returns_optional = get_origin(returns) in (Union, UnionType) and NoneType in get_args(returns)

    def render(ctx: HTTPContext[Any], result: Any) -> Response:
        kind = result.__class__
        if kind is str:
            response = whole(result.encode(), [TEXT_TYPE])
        elif kind is dict or kind is list:
            response = whole(encode(result), [JSON_TYPE])
        elif isinstance(result, Response):
            return result
        elif result is None:
            if ctx.channel is not None and ctx.channel.head is not None:
                return SentResponse(ctx.channel.head.status, ctx.channel.head.raw_headers)
            response = nothing()
        else:
            response = _rare(handler, result, encode)
        if ctx.builder is not None:
            ctx.builder.dress(response)
        return response

    def nothing() -> Response:
        if returns_none:
            return whole(b"", [], 204)
        if returns_optional:
            return whole(_NULL, [JSON_TYPE])
        raise BadResult(handler, "returned None; annotate -> None for 204, -> X | None for null, or return something")

    return render


def _rare(handler: object, result: Any, encode: Callable[[Any], bytes]) -> Response:
    if isinstance(result, msgspec.Struct):
        return _json(handler, result, encode)
    if isinstance(result, (bytes, bytearray, memoryview)):
        return whole(bytes(cast("bytes", result)), [BYTES_TYPE])
    if isinstance(result, str):
        return whole(str.encode(result), [TEXT_TYPE])  # of an Enum the value, whatever its `str()` says
    if is_bare_tuple(result):
        raise BadResult(handler, "returned a tuple; say ctx.json(value, status=...) for a status, or return a list")
    if isinstance(result, (AsyncIterable, Iterator)):
        return Stream(cast("AsyncIterable[bytes]", result))
    return _json(handler, result, encode)


def _json(handler: object, result: Any, encode: Callable[[Any], bytes]) -> Response:
    try:
        return whole(encode(result), [JSON_TYPE])
    except (TypeError, ValueError) as error:
        raise BadResult(handler, f"returned {result.__class__.__name__}, which has no JSON form: {error}") from error


def is_bare_tuple(value: object) -> TypeIs[tuple[Any, ...]]:
    """A tuple that has no names: a status in disguise, in other frameworks."""
    return isinstance(value, tuple) and not hasattr(cast("Any", value), "_fields")
