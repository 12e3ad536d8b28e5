"""A request: its head, and its body read once, as bytes, text, JSON, a form or a stream."""

from collections.abc import AsyncGenerator, Coroutine
from typing import Any

import msgspec

from pagi.gateway.reasons import ClientGone, Reason
from pagi.gateway.types import Message, Receive, Scope
from pagi.http.errors import AppError
from pagi.http.media_types import InvalidMediaType, parse_media_type
from pagi.messages.bad_body import BadBody as BadBody
from pagi.messages.form_limits import DEFAULT_LIMITS, FormLimits
from pagi.messages.forms import FormData, form_type
from pagi.messages.opening import Opening

_decode_json = msgspec.json.Decoder().decode


class BodyConsumed(AppError):
    """The body was streamed: it is gone, and cannot be read again."""


class Body:
    """The body of a request, on any kind that has one. It is read once; whole reads are kept."""

    __slots__ = ("_data", "_ended", "_receive", "_streamed")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._data: bytes | None = None
        self._streamed = False
        self._ended = False

    @property
    def is_ended(self) -> bool:
        """The last byte of the body was received."""
        return self._ended

    async def read(self) -> bytes:
        """All of it.

        Raises:
            ClientGone: the client left before the end; a part of a body is never handed out as the whole.
            BodyConsumed: it was streamed.
        """
        if self._data is None:
            self._check()
            event = _present(await self._receive())
            if not event.get("more_body", False):
                self._data = bytes(event.get("body", b""))
            else:
                chunks = [event.get("body", b"")]
                while event.get("more_body", False):
                    event = _present(await self._receive())
                    chunks.append(event.get("body", b""))
                self._data = b"".join(chunks)
            self._ended = True
        return self._data

    async def stream(self) -> AsyncGenerator[bytes]:
        """The parts as they come, none of them empty.

        Raises:
            ClientGone: the client left before the end.
            BodyConsumed: it was streamed already.
        """
        if self._data is not None:
            if self._data:
                yield self._data
            return
        more = not self._ended
        self._check()
        self._streamed = True
        while more:
            event = _present(await self._receive())
            more = bool(event.get("more_body", False))
            self._ended = not more
            chunk = event.get("body", b"")
            if chunk:
                yield chunk

    def _check(self) -> None:
        if self._streamed:
            raise BodyConsumed("the body was streamed and is gone; keep what you need of it, or read it whole with body() first")


def _present(event: Message) -> Message:
    """The event, if the client is still there to have sent it."""
    if event["type"].endswith(".disconnect"):
        raise ClientGone(_reason(event))
    return event


def _reason(event: Message) -> Reason:
    """Why the client left, as far as the event tells: foreign servers tell nothing."""
    try:
        return Reason(event.get("reason") or Reason.CLIENT_CLOSED)
    except ValueError:
        return Reason.CLIENT_CLOSED


class WithBody(Opening):
    """An opening that a body may follow."""

    __slots__ = ("_form", "_read", "_receive")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = scope
        self._headers = self._query = self._cookies = None  # what an Opening has, without another call
        self._receive = receive
        self._read: Body | None = None
        self._form: tuple[FormLimits, FormData] | None = None

    @property
    def _body(self) -> Body:
        if self._read is None:
            self._read = Body(self._receive)
        return self._read

    @property
    def method(self) -> str:
        """The method, in upper case."""
        return str(self.scope["method"])

    @property
    def content_type(self) -> str:
        """The type of the body without parameters, in lower case; empty where none is given."""
        return self.headers.get("content-type", "").partition(";")[0].strip(" \t").lower()

    def body(self) -> Coroutine[Any, Any, bytes]:
        """The whole body. A second call gives the same bytes.

        Raises:
            ClientGone: the client left before the end.
            BodyConsumed: it was streamed.
        """
        return self._body.read()

    async def text(self) -> str:
        """The body as text, in the charset its type names, else UTF-8.

        Raises:
            BadBody: the bytes are not of that charset, or nobody knows it.
            ClientGone: the client left before the end.
            BodyConsumed: it was streamed.
        """
        data = await self._body.read()
        charset = self._charset()
        try:
            return data.decode(charset)
        except (UnicodeDecodeError, LookupError) as error:
            raise BadBody(f"the body is no text in {charset}: {error}") from error

    async def json(self) -> Any:
        """The body decoded as JSON, whatever its type says.

        Raises:
            BadBody: it is not JSON.
            ClientGone: the client left before the end.
            BodyConsumed: it was streamed.
        """
        data = await self._body.read()
        try:
            return _decode_json(data)
        except RecursionError:
            raise BadBody("the body is not JSON that can be read: it is nested too deeply") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadBody(f"the body is not JSON: {error}") from error

    async def form(self, *, limits: FormLimits = DEFAULT_LIMITS) -> FormData:
        """The fields and files of a form, urlencoded or multipart. A second call gives the same form.

        Raises:
            BadBody: the body is of another type (415), malformed (400) or past a limit (413).
            ClientGone: the client left before the end.
            BodyConsumed: it was streamed.
        """
        if self._form is None or self._form[0] != limits:
            kind = form_type(self.headers.get("content-type", ""))
            self._form = limits, FormData.parse(kind, await self._body.read(), limits)
        return self._form[1]

    def stream(self) -> AsyncGenerator[bytes]:
        """The body in parts as they come. What was read whole comes in one part.

        Raises:
            ClientGone: the client left before the end.
            BodyConsumed: it was streamed already.
        """
        return self._body.stream()

    def _charset(self) -> str:
        named = self.headers.get("content-type")
        if named is None:
            return "utf-8"
        try:
            return parse_media_type(named).charset or "utf-8"
        except InvalidMediaType:
            return "utf-8"


class Request(WithBody):
    """One HTTP request."""

    __slots__ = ()

    @property
    def is_json(self) -> bool:
        """The body says that it is JSON, `+json` types included."""
        try:
            return parse_media_type(self.headers.get("content-type", "")).is_json
        except InvalidMediaType:
            return False
