"""A request as a test writes it, made into what goes on the wire."""

import copy
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from typing import Any, Self, TypeAlias, TypedDict, cast
from urllib.parse import quote

import msgspec

from pagi.gateway.types import HeaderList
from pagi.http.errors import ConfigError
from pagi.http.headers import encode_name, encode_value
from pagi.http.url import encode_query
from pagi.testing.cookies import check_pair
from pagi.testing.multipart import FilesInput, multipart_form

HeadersInput: TypeAlias = Mapping[str, str] | list[tuple[str, str]]
ParamsInput: TypeAlias = Mapping[str, Any] | list[tuple[str, Any]]
"""Names and values; a list or tuple as a value repeats the name. Booleans are `true` and `false`, None is empty."""
Content: TypeAlias = bytes | str | AsyncIterable[bytes] | Iterable[bytes]

_TARGET_SAFE = "%/?:@!$&'()*+,;=-._~[]|"
"""What stays as it is in a path: written escapes too, so that a test can send any spelling."""


_OF_BODY = {b"content-length", b"content-type", b"content-encoding", b"transfer-encoding", b"expect"}
"""Fields that speak of a body."""


class _Unset:
    """No `json=` was given; None is JSON too."""


UNSET: Any = _Unset()


class RequestParts(TypedDict, total=False):
    """What a request may carry beside its method and path. `json`, `content` and a form (`data`, `files`) exclude each other."""

    headers: HeadersInput | None
    params: ParamsInput | None
    """Put behind whatever query the path has."""
    json: Any
    """Any value that msgspec encodes; None is `null`."""
    content: Content | None
    """The body itself: bytes, text, or pieces that are sent as they come (in chunks unless Content-Length is given)."""
    data: ParamsInput | None
    """The fields of a form: urlencoded, or multipart where there are `files`."""
    files: FilesInput | None
    """Files of a form: `{"name": (filename, content, content_type)}`; the type may be left out, and the file name too."""
    cookies: Mapping[str, str] | None
    """For this request alone, in place of kept ones of the same name."""
    follow_redirects: bool | None
    """None: as the client does."""


class OutgoingRequest:
    """Method, target and fields, with a body in one piece or in many.

    `defaults` are fields that every request of the client has, unless it has others of that name.

    Raises:
        ConfigError: the path does not start with a slash, or the parts exclude each other.
        InvalidHeader: a field may not go on the wire. `TestClient.connect` sends any bytes.
        InvalidCookie: nor may a cookie.
    """

    def __init__(
        self,
        method: str,
        path: str,
        *,
        host: str,
        defaults: HeaderList | None = None,
        headers: HeadersInput | None = None,
        params: ParamsInput | None = None,
        json: Any = UNSET,
        content: Content | None = None,
        data: ParamsInput | None = None,
        files: FilesInput | None = None,
        cookies: Mapping[str, str] | None = None,
        follow_redirects: bool | None = None,
    ) -> None:
        if (json is not UNSET) + (content is not None) + (data is not None or files is not None) > 1:
            raise ConfigError("a request has one body: give one of json, content, and data with or without files")
        self.method = method.upper()
        self.target = target_of(path, params)
        self.body = b""
        self.pieces: AsyncIterable[bytes] | None = None
        self.cookies = checked_cookies(cookies, headers)
        self.follow_redirects = follow_redirects
        of_body: list[tuple[str, str]] = []
        if json is not UNSET:
            self.body = msgspec.json.encode(json)
            of_body.append(("content-type", "application/json"))
        elif files:
            self.body, content_type = multipart_form(_pairs(data or {}), files)
            of_body.append(("content-type", content_type))
        elif data is not None or files is not None:
            self.body = encode_query(_pairs(data or {})).encode()
            of_body.append(("content-type", "application/x-www-form-urlencoded"))
        elif isinstance(content, str):
            self.body = content.encode()
            of_body.append(("content-type", "text/plain; charset=utf-8"))
        elif isinstance(content, bytes):
            self.body = content
        elif content is not None:
            self.pieces = content if isinstance(content, AsyncIterable) else _stepped(content)
        given = header_list(headers)
        names = {name for name, _ in given}
        if self.pieces is not None:
            if b"content-length" not in names:
                of_body.append(("transfer-encoding", "chunked"))
        elif (self.body or self.method in ("POST", "PUT", "PATCH")) and b"transfer-encoding" not in names:
            of_body.append(("content-length", str(len(self.body))))
        own = header_list([("host", host), ("accept", "*/*"), ("user-agent", "pagi-testclient")])
        self.headers: HeaderList = layered(own, defaults or [], header_list(of_body), given)
        self._given = names

    @property
    def expects_continue(self) -> bool:
        """The body is held back until the server asks for it."""
        return any(name == b"expect" and value.lower() == b"100-continue" for name, value in self.headers)

    def moved(self, target: str, method: str, *, with_body: bool) -> Self:
        """The same request at another place, or what is left of it without its body."""
        other = copy.copy(self)
        other.target, other.method = target, method
        if not with_body:
            other.body, other.pieces = b"", None
            other.headers = [field for field in self.headers if field[0] not in _OF_BODY]
        return other

    def fill_in(self, fields: list[tuple[str, str]]) -> None:
        """Sets fields, in place of the defaults; what the test gave itself stays."""
        self.headers = layered(self.headers, [field for field in header_list(fields) if field[0] not in self._given])


def target_of(path: str, params: ParamsInput | None = None) -> str:
    """The request target of a path, its query put behind whatever query the path has.

    >>> target_of("/a b?x=1", {"q": ["é", 2]})
    '/a%20b?x=1&q=%C3%A9&q=2'

    Raises:
        ConfigError: the path does not start with a slash (`*` may stand alone).
    """
    if not path.startswith("/") and path != "*":
        raise ConfigError(f"a path starts with a slash, got {path!r}; base_url names scheme and host")
    target = quote(path, safe=_TARGET_SAFE)
    query = encode_query(_pairs(params)) if params is not None else ""
    if query:
        target += ("&" if "?" in target else "?") + query
    return target


def header_list(headers: HeadersInput | None) -> HeaderList:
    """Fields as pairs of bytes, names in lower case.

    Raises:
        InvalidHeader: a name or value may not go on the wire.
    """
    if headers is None:
        return []
    fields = headers if isinstance(headers, list) else list(headers.items())
    return [(encode_name(name), encode_value(name, value)) for name, value in fields]


def layered(*layers: HeaderList) -> HeaderList:
    """The fields of all layers, where a name in a later one takes the place of that name in those before."""
    fields: HeaderList = []
    for layer in layers:
        names = {name for name, _ in layer}
        fields = [*(field for field in fields if field[0] not in names), *layer]
    return fields


def checked_cookies(cookies: Mapping[str, str] | None, headers: HeadersInput | None) -> Mapping[str, str] | None:
    """The cookies of one request, to put beside the kept ones; None where the test wrote the whole field itself.

    Raises:
        ConfigError: both are given.
        InvalidCookie: a cookie would not come out of the field as it went in.
    """
    for name, value in (cookies or {}).items():
        check_pair(name, value)
    if all(name != b"cookie" for name, _ in header_list(headers)):
        return cookies or {}
    if cookies:
        raise ConfigError("a request has one Cookie field: give cookies or a cookie header, not both")
    return None


async def _stepped(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def _pairs(params: ParamsInput) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for name, value in params if isinstance(params, list) else list(params.items()):
        values = cast(Sequence[object], value if isinstance(value, list | tuple) else [value])
        pairs += [(name, _text(one)) for one in values]
    return pairs


def _text(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
