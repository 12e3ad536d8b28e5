"""Answers as values: handlers return them, middleware decorates or replaces them, the edge sends them once."""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Generic, TypeAlias, cast
from urllib.parse import quote

import msgspec
from typing_extensions import TypeVar

from pagi.gateway.types import HeaderList, Send
from pagi.http.errors import AppError
from pagi.http.headers import MutableHeaders, encode_name, encode_value

T = TypeVar("T", default=Any)

HeadersLike: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]

TEXT_TYPE = (b"content-type", b"text/plain; charset=utf-8")
HTML_TYPE = (b"content-type", b"text/html; charset=utf-8")
JSON_TYPE = (b"content-type", b"application/json")
BYTES_TYPE = (b"content-type", b"application/octet-stream")

_NO_BODY_STATUS = frozenset({204, 304})


class Response:
    """A status, header fields and a body of bytes.

    A `str` body is encoded as UTF-8 and, unless `headers` or `content_type` say otherwise, sent as plain text.

    Raises:
        ValueError: `status` is not within 200 to 599.
    """

    __slots__ = ("_headers", "body", "raw_headers", "status")

    is_sent: ClassVar[bool] = False
    """True for a `SentResponse`: the answer has left, and can only be read."""
    is_whole: ClassVar[bool] = True
    """All of the body is here, in `body`, and leaves as it is. False in a subclass with a `deliver` of its own that does not say so."""

    status: int
    raw_headers: HeaderList
    """The fields as they will leave, names in lower case."""
    body: bytes

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "deliver" in vars(cls) and "is_whole" not in vars(cls):
            cls.is_whole = False  # what is whole leaves without `deliver` being asked

    def __init__(
        self, body: str | bytes = b"", *, status: int = 200, headers: HeadersLike | None = None, content_type: str | None = None
    ) -> None:
        default = BYTES_TYPE
        if isinstance(body, str):
            body, default = body.encode(), TEXT_TYPE
        self._head(status, headers, content_type, default if body else None)
        self.body = body

    def _head(self, status: int, headers: HeadersLike | None, content_type: str | None, default: tuple[bytes, bytes] | None) -> None:
        self.status = checked_status(status)
        self._headers: MutableHeaders | None = None
        if headers is None and content_type is None:
            self.raw_headers = [default] if default else []
            return
        self.raw_headers = raw = raw_pairs(headers) if headers is not None else []
        if content_type is not None:
            raw[:] = [pair for pair in raw if pair[0] != b"content-type"]
            raw.insert(0, (b"content-type", encode_value("content-type", content_type)))
        elif default and not any(name == b"content-type" for name, _ in raw):
            raw.insert(0, default)

    @property
    def headers(self) -> MutableHeaders:
        """The header fields, to read and to change."""
        if self._headers is None:
            self._headers = MutableHeaders(self.raw_headers)
        return self._headers

    async def deliver(self, send: Send, status: int, raw_headers: HeaderList) -> None:
        """Sends this answer under the given head, which is its own after all hooks ran.

        Raises:
            ClientGone: the client left.
        """
        full = getattr(send, "full", None)
        if full is not None:
            full(status, raw_headers, self.body)
            return
        if status >= 200 and status not in _NO_BODY_STATUS and not any(name == b"content-length" for name, _ in raw_headers):
            raw_headers = [*raw_headers, (b"content-length", b"%d" % len(self.body))]
        await send({"type": "http.response.start", "status": status, "headers": raw_headers})
        await send({"type": "http.response.body", "body": self.body})

    async def aclose(self) -> None:
        """Gives back what the body holds, when it will not be delivered to its end."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.status}>"


def checked_status(status: int) -> int:
    """`status`, if it can be one of a final answer (RFC 9110 section 15).

    Raises:
        ValueError: it is not within 200 to 599.
    """
    if not 200 <= status <= 599:
        raise ValueError(f"status must be within 200 and 599, got {status}")
    return status


def raw_pairs(headers: HeadersLike) -> HeaderList:
    """Header fields of text as pairs of bytes.

    Raises:
        InvalidHeader: a name is no token, or a value holds control characters.
    """
    pairs = cast("Mapping[str, str]", headers).items() if isinstance(headers, Mapping) else headers
    return [(encode_name(name), encode_value(name, value)) for name, value in pairs]


_new = object.__new__


def whole(body: bytes, raw_headers: HeaderList, status: int = 200) -> Response:
    """A `Response` of parts that are known to be right: nothing is checked. The hot path's constructor."""
    response = _new(Response)
    response.status = status
    response.raw_headers = raw_headers
    response.body = body
    response._headers = None  # pyright: ignore[reportPrivateUsage]
    return response


class Text(Response):
    """Plain text, in UTF-8."""

    __slots__ = ()

    def __init__(self, text: str, *, status: int = 200, headers: HeadersLike | None = None) -> None:
        super().__init__(text, status=status, headers=headers)
        if not text:
            self.raw_headers.insert(0, TEXT_TYPE)


class HTML(Response):
    """A page, in UTF-8. The text goes out as it is: escape what came from users."""

    __slots__ = ()

    def __init__(self, text: str, *, status: int = 200, headers: HeadersLike | None = None) -> None:
        self._head(status, headers, None, HTML_TYPE)
        self.body = text.encode()


class JSON(Response, Generic[T]):
    """A value as JSON, encoded now. Structs, dataclasses, dates, UUIDs, enums and sets too.

    Raises:
        TypeError: the value holds something that has no JSON form.
    """

    __slots__ = ()

    def __init__(self, value: T, *, status: int = 200, headers: HeadersLike | None = None) -> None:
        self._head(status, headers, None, JSON_TYPE)
        self.body = msgspec.json.encode(value)


REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Redirect(Response):
    """Sends the client elsewhere: 303 after a form, 307 or 308 where the method must stay (RFC 9110 section 15.4).

    What is not ASCII in `url` is percent-encoded as UTF-8; everything else stays as it is.

    Raises:
        ValueError: `status` is none of 301, 302, 303, 307 and 308.
        InvalidHeader: `url` holds control characters.
    """

    __slots__ = ()

    def __init__(self, url: str, *, status: int = 302, headers: HeadersLike | None = None) -> None:
        if status not in REDIRECTS:
            raise ValueError(f"a redirect has one of the statuses {sorted(REDIRECTS)}, got {status}")
        self._head(status, headers, None, None)
        if not url.isascii():
            url = "".join(char if char.isascii() else quote(char) for char in url)
        self.raw_headers.append((b"location", encode_value("location", url)))
        self.body = b""


class AlreadySent(AppError):
    """The answer has left: nothing of it can be changed any more."""


class SentResponse(Response):
    """An answer that left already: through the raw channel, from a mounted app, or a session or stream that ended.

    Status and headers can be read. To change headers, register `ctx.on_response_start` before `next()`.
    """

    __slots__ = ()

    is_sent = True
    is_whole = False

    def __init__(self, status: int, raw_headers: HeaderList) -> None:
        put = object.__setattr__
        put(self, "status", status)
        put(self, "raw_headers", raw_headers)
        put(self, "body", b"")
        put(self, "_headers", _SentHeaders(raw_headers))

    def __setattr__(self, name: str, value: object) -> None:
        raise _too_late(name)

    async def deliver(self, send: Send, status: int, raw_headers: HeaderList) -> None:
        """Does nothing: it was delivered."""


class _SentHeaders(MutableHeaders):
    """Headers that left. Every change goes through one of these three."""

    __slots__ = ()

    def set(self, name: str, value: str) -> None:
        raise _too_late(f"header {name!r}")

    def add(self, name: str, value: str) -> None:
        raise _too_late(f"header {name!r}")

    def remove(self, name: str) -> list[str]:
        raise _too_late(f"header {name!r}")


def _too_late(what: str) -> AlreadySent:
    return AlreadySent(f"{what} of an answer that left cannot be changed; register ctx.on_response_start before next()")
