"""The fluent way to an answer: set things in a row, finish with a body. Finishers give a value and never send."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import msgspec

from pagi.gateway.types import HeaderList
from pagi.http.cookies import SameSite, delete_cookie, set_cookie
from pagi.http.headers import encode_name, encode_value
from pagi.messages.files import FileResponse
from pagi.messages.response import (
    BYTES_TYPE,
    HTML_TYPE,
    JSON_TYPE,
    TEXT_TYPE,
    HeadersLike,
    Redirect,
    Response,
    checked_status,
    raw_pairs,
    whole,
)
from pagi.messages.stream import Chunks, Stream


class ResponseBuilder:
    """Builds answers: `ctx.response.status(201).header("x-tag", "a").json(value)`."""

    __slots__ = ("_encode", "_pairs", "_status")

    def __init__(self, encode: Callable[[Any], bytes] = msgspec.json.encode) -> None:
        self._encode = encode
        self._status: int | None = None
        self._pairs: HeaderList = []

    def status(self, status: int) -> Self:
        """The status of what is built.

        Raises:
            ValueError: it is not within 200 to 599.
        """
        self._status = checked_status(status)
        return self

    def header(self, name: str, value: str) -> Self:
        """Adds a field, beside those of the same name.

        Raises:
            InvalidHeader: the name is no token, or the value holds control characters.
        """
        self._pairs.append((encode_name(name), encode_value(name, value)))
        return self

    def content_type(self, value: str) -> Self:
        """The type of what is built, in place of the one its body would have."""
        self._pairs = [pair for pair in self._pairs if pair[0] != b"content-type"]
        return self.header("content-type", value)

    def cookie(
        self,
        name: str,
        value: str,
        *,
        max_age: int | None = None,
        expires: datetime | None = None,
        path: str | None = "/",
        domain: str | None = None,
        secure: bool = False,
        httponly: bool = True,
        samesite: SameSite | None = "lax",
        partitioned: bool = False,
    ) -> Self:
        """Sets a cookie; `max_age` is in seconds.

        Raises:
            InvalidCookie: a browser would refuse or misread it.
        """
        line = set_cookie(
            name,
            value,
            max_age=max_age,
            expires=expires,
            path=path,
            domain=domain,
            secure=secure,
            httponly=httponly,
            samesite=samesite,
            partitioned=partitioned,
        )
        self._pairs.append((b"set-cookie", line))
        return self

    def delete_cookie(self, name: str, *, path: str | None = "/", domain: str | None = None, secure: bool = False) -> Self:
        """Removes a cookie; path and domain must be those it was set with."""
        self._pairs.append((b"set-cookie", delete_cookie(name, path=path, domain=domain, secure=secure)))
        return self

    # ---- finishers

    def text(self, text: str, *, status: int | None = None, headers: HeadersLike | None = None) -> Response:
        """An answer of plain text."""
        return self._whole(text.encode(), TEXT_TYPE, status, headers)

    def html(self, text: str, *, status: int | None = None, headers: HeadersLike | None = None) -> Response:
        """A page. The text goes out as it is: escape what came from users."""
        return self._whole(text.encode(), HTML_TYPE, status, headers)

    def json(self, value: Any, *, status: int | None = None, headers: HeadersLike | None = None) -> Response:
        """An answer of JSON.

        Raises:
            TypeError: the value holds something that has no JSON form.
        """
        return self._whole(self._encode(value), JSON_TYPE, status, headers)

    def octets(self, data: bytes, *, status: int | None = None, headers: HeadersLike | None = None) -> Response:
        """An answer of octets."""
        return self._whole(data, BYTES_TYPE, status, headers)

    def empty(self, *, status: int | None = None, headers: HeadersLike | None = None) -> Response:
        """An answer without a body: 204, unless a status was set."""
        pairs = [*self._pairs, *raw_pairs(headers or ())]
        return whole(b"", pairs, checked_status(status or self._status or 204))

    def redirect(self, url: str, *, status: int = 302, headers: HeadersLike | None = None) -> Response:
        """Sends the client to `url`; a status set before does not count.

        Raises:
            ValueError: `status` is no redirect.
        """
        response = Redirect(url, status=status, headers=headers)
        response.raw_headers.extend(self._pairs)
        return response

    def file(
        self, path: str | Path, *, download_as: str | None = None, content_type: str | None = None, status: int | None = None
    ) -> FileResponse:
        """A file of this machine."""
        response = FileResponse(path, download_as=download_as)
        self._dress_under(response, status, content_type)
        return response

    def stream(self, chunks: Chunks, *, content_type: str | None = None, status: int | None = None) -> Stream:
        """An answer whose body comes piece by piece."""
        response = Stream(chunks)
        self._dress_under(response, status, content_type)
        return response

    def head(self, *, content_type: str | None = None, status: int | None = None) -> Response:
        """What a body that is pushed stands under; without a type, unless one was set."""
        response = Response()
        self._dress_under(response, status, content_type)
        return response

    def dress(self, response: Response) -> None:
        """Puts what was set here on an answer made elsewhere: the plain result of a handler."""
        if self._status is not None:
            response.status = self._status
        names = {name for name, _ in self._pairs}
        if b"content-type" in names:
            response.raw_headers[:] = [pair for pair in response.raw_headers if pair[0] != b"content-type"]
        response.raw_headers.extend(self._pairs)

    def _dress_under(self, response: Response, status: int | None, content_type: str | None) -> None:
        """Puts what was set here on an answer; what its finisher was given counts more."""
        self.dress(response)
        if status is not None:
            response.status = checked_status(status)
        if content_type is not None:
            response.headers["content-type"] = content_type

    def _whole(self, body: bytes, default: tuple[bytes, bytes], status: int | None, headers: HeadersLike | None) -> Response:
        pairs = self._pairs if headers is None else [*self._pairs, *raw_pairs(headers)]
        if pairs and any(name == b"content-type" for name, _ in pairs):
            # The last word counts: what the finisher was given over what was set before.
            kept = [pair for pair in pairs if pair[0] == b"content-type"][-1]
            raw = [kept, *(pair for pair in pairs if pair[0] != b"content-type")]
        else:
            raw = [default, *pairs]
        return whole(body, raw, self._status or 200 if status is None else checked_status(status))
