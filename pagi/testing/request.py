"""A request as a test writes it, made into what goes on the wire."""

from collections.abc import AsyncIterable, Mapping, Sequence
from typing import Any, TypeAlias, TypedDict, cast
from urllib.parse import quote

import msgspec

from pagi.gateway.types import HeaderList
from pagi.http.errors import ConfigError
from pagi.http.headers import encode_name, encode_value
from pagi.http.url import encode_query

HeadersInput: TypeAlias = Mapping[str, str] | list[tuple[str, str]]
ParamsInput: TypeAlias = Mapping[str, Any] | list[tuple[str, Any]]
"""Names and values; a list or tuple as a value repeats the name."""
Content: TypeAlias = bytes | str | AsyncIterable[bytes]

_TARGET_SAFE = "%/?:@!$&'()*+,;=-._~[]|"
"""What stays as it is in a path: written escapes too, so that a test can send any spelling."""


class _Unset:
    """No `json=` was given; None is JSON too."""


UNSET: Any = _Unset()


class RequestParts(TypedDict, total=False):
    """What a request may carry beside its method and path. `json`, `content` and `data` exclude each other."""

    headers: HeadersInput | None
    params: ParamsInput | None
    """Put behind whatever query the path has."""
    json: Any
    """Any value that msgspec encodes; None is `null`."""
    content: Content | None
    """The body itself: bytes, text, or pieces that are sent as they come (in chunks unless Content-Length is given)."""
    data: ParamsInput | None
    """A form, urlencoded."""


class OutgoingRequest:
    """Method, target and fields, with a body in one piece or in many.

    Raises:
        ConfigError: the path does not start with a slash, or more than one of `json`, `content` and `data` is given.
        InvalidHeader: a field may not go on the wire. `TestClient.connect` sends any bytes.
    """

    def __init__(
        self,
        method: str,
        path: str,
        *,
        host: str,
        headers: HeadersInput | None = None,
        params: ParamsInput | None = None,
        json: Any = UNSET,
        content: Content | None = None,
        data: ParamsInput | None = None,
    ) -> None:
        if (json is not UNSET) + (content is not None) + (data is not None) > 1:
            raise ConfigError("a request has one body: give one of json, content and data")
        self.method = method.upper()
        self.target = target_of(path, params)
        self.body = b""
        self.pieces: AsyncIterable[bytes] | None = None
        defaults = [("host", host), ("accept", "*/*"), ("user-agent", "pagi-testclient")]
        if json is not UNSET:
            self.body = msgspec.json.encode(json)
            defaults.append(("content-type", "application/json"))
        elif data is not None:
            self.body = encode_query(_pairs(data)).encode()
            defaults.append(("content-type", "application/x-www-form-urlencoded"))
        elif isinstance(content, str):
            self.body = content.encode()
            defaults.append(("content-type", "text/plain; charset=utf-8"))
        elif isinstance(content, bytes):
            self.body = content
        elif content is not None:
            self.pieces = content
        given = header_list(headers)
        names = {name for name, _ in given}
        if self.pieces is not None:
            if b"content-length" not in names:
                defaults.append(("transfer-encoding", "chunked"))
        elif (self.body or self.method in ("POST", "PUT", "PATCH")) and b"transfer-encoding" not in names:
            defaults.append(("content-length", str(len(self.body))))
        self.headers: HeaderList = [*(field for field in header_list(defaults) if field[0] not in names), *given]
        self._given = names
        self.expects_continue = any(name == b"expect" and value.lower() == b"100-continue" for name, value in given)

    def fill_in(self, fields: list[tuple[str, str]]) -> None:
        """Sets fields, in place of the defaults; what the test gave itself stays."""
        filled = [field for field in header_list(fields) if field[0] not in self._given]
        names = {name for name, _ in filled}
        self.headers = [*(field for field in self.headers if field[0] not in names), *filled]


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


def _pairs(params: ParamsInput) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for name, value in params if isinstance(params, list) else list(params.items()):
        values = cast(Sequence[object], value if isinstance(value, list | tuple) else [value])
        pairs += [(name, str(one)) for one in values]
    return pairs
