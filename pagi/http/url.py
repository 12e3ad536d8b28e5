"""Paths, queries, origins and hosts of URLs (RFC 3986); it resolves nothing and normalises nothing."""

import re
from collections.abc import Iterable, Mapping
from typing import cast
from urllib.parse import quote, unquote_to_bytes, urlencode

DEFAULT_PORTS = {"http": 80, "https": 443}

_SCHEMES = ("http", "https", "ws", "wss")

_SAME_AS = {"ws": "http", "wss": "https"}

_H16 = "[0-9A-Fa-f]{1,4}"
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_LS32 = rf"(?:{_H16}:{_H16}|{_OCTET}(?:\.{_OCTET}){{3}})"
# The nine shapes of an IPv6 address, in the order of RFC 3986 section 3.2.2.
_IPV6 = "|".join(
    [
        rf"(?:{_H16}:){{6}}{_LS32}",
        rf"::(?:{_H16}:){{5}}{_LS32}",
        rf"(?:{_H16})?::(?:{_H16}:){{4}}{_LS32}",
        rf"(?:(?:{_H16}:){{0,1}}{_H16})?::(?:{_H16}:){{3}}{_LS32}",
        rf"(?:(?:{_H16}:){{0,2}}{_H16})?::(?:{_H16}:){{2}}{_LS32}",
        rf"(?:(?:{_H16}:){{0,3}}{_H16})?::{_H16}:{_LS32}",
        rf"(?:(?:{_H16}:){{0,4}}{_H16})?::{_LS32}",
        rf"(?:(?:{_H16}:){{0,5}}{_H16})?::{_H16}",
        rf"(?:(?:{_H16}:){{0,6}}{_H16})?::",
    ]
)
_IPVFUTURE = r"v[0-9A-Fa-f]+\.[A-Za-z0-9\-._~!$&'()*+,;=:]+"
_NAME = r"(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+"
_PORT = "(?:[0-9]{0,4}|[0-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
_HOST = re.compile(rf"(?P<host>{_NAME}|\[(?:{_IPV6}|{_IPVFUTURE})\])(?::(?P<port>{_PORT}))?", re.IGNORECASE)
_HOST_BYTES = re.compile(_HOST.pattern.encode("ascii"), re.IGNORECASE)

# What may follow the authority: visible ASCII, the path first.
_BEHIND_HOST = re.compile(r"/[!-~]*")

# What a path segment may hold unescaped beside letters, digits and `-._~` (RFC 3986 section 3.3).
_SEGMENT_SAFE = "!$&'()*+,;=:@"


def decode_path(raw: bytes) -> str:
    """The path of a request target as text: percent-decoded, then UTF-8, and where it is not that, one character a byte.

    Nothing is rejected or replaced, dot segments stay, and `%2F` becomes a slash: read the raw path where that matters.

    >>> decode_path(b"/caf%C3%A9"), decode_path(b"/%FF")
    ('/café', '/ÿ')
    """
    if b"%" in raw:
        raw = unquote_to_bytes(raw)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def encode_segment(text: str) -> str:
    """`text` as one segment of a path; a slash in it is escaped.

    A segment of only dots would be resolved away by clients in any spelling (WHATWG URL section 4.1): callers refuse it.

    >>> encode_segment("a/b c?")
    'a%2Fb%20c%3F'
    """
    return quote(text, safe=_SEGMENT_SAFE)


def encode_path(text: str) -> str:
    """`text` as several segments: like `encode_segment`, but slashes stay.

    >>> encode_path("docs/a b.txt")
    'docs/a%20b.txt'
    """
    return quote(text, safe=_SEGMENT_SAFE + "/")


def encode_query(fields: Iterable[tuple[str, str]]) -> str:
    """`fields` as a query string without its `?`, spaces as `+`; names may repeat.

    >>> encode_query([("q", "a b&c"), ("q", "é")])
    'q=a+b%26c&q=%C3%A9'
    """
    return urlencode(list(fields))


def with_query(url: str, fields: Mapping[str, object] | Iterable[tuple[str, object]]) -> str:
    """`url` with more fields in its query; a fragment stays behind them.

    Lists and tuples repeat their name, None is left out, booleans are `true` and `false`, everything else is its text.

    >>> with_query("/search?page=1#top", {"q": "a&b", "tag": ["x", "y"], "all": True, "after": None})
    '/search?page=1&q=a%26b&tag=x&tag=y&all=true#top'
    """
    pairs = cast("Iterable[tuple[str, object]]", fields.items() if isinstance(fields, Mapping) else fields)
    query = encode_query((name, _query_text(value)) for name, values in pairs for value in _each(values) if value is not None)
    url, hash_sign, fragment = url.partition("#")
    if query:
        separator = "" if url.endswith(("?", "&")) else "&" if "?" in url else "?"
        url += separator + query
    return url + hash_sign + fragment


def _each(values: object) -> Iterable[object]:
    return cast("Iterable[object]", values) if isinstance(values, (list, tuple)) else (values,)


def _query_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def absolute(scheme: str, host: str, path: str) -> str:
    """The URL of an encoded path, which may have a query, on a host that may have a port.

    >>> absolute("https", "example.org:8443", "/users/5?tab=posts")
    'https://example.org:8443/users/5?tab=posts'

    Raises:
        ValueError: the scheme is none of http, https, ws and wss, the host is none (whatever a client sent as Host can be asked
            with this), or the path does not start with a slash or is not encoded.
    """
    if scheme not in _SCHEMES:
        raise ValueError(f"scheme is one of {', '.join(_SCHEMES)}; got {scheme!r}")
    if not _HOST.fullmatch(host):
        raise ValueError(f"{host!r} is no host with an optional port")
    if not _BEHIND_HOST.fullmatch(path):
        raise ValueError(f"path {path!r} must start with '/' and be percent-encoded; url_for and encode_path give such paths")
    return f"{scheme}://{host}{path}"


def valid_host(value: bytes) -> bool:
    """Whether `value` is a Host field's `host [":" port]` (RFC 9110 section 7.2): not empty, no user, port up to 65535.

    >>> valid_host(b"example.org:8000"), valid_host(b"[::1]"), valid_host(b"user@example.org"), valid_host(b"")
    (True, True, False, False)
    """
    return _HOST_BYTES.fullmatch(value) is not None


def same_origin(origin: str, scheme: str, host: str) -> bool:
    """Whether an Origin field (RFC 6454 section 7) names the same scheme, host and port as a request.

    `scheme` is the request's (ws and wss count as http and https), `host` its Host field. A missing port is the scheme's
    own. `null`, several origins and anything malformed are never the same.

    >>> same_origin("https://Example.org", "wss", "example.org:443"), same_origin("null", "https", "example.org")
    (True, False)
    """
    origin_scheme, separator, authority = origin.partition("://")
    origin_scheme = origin_scheme.lower()
    scheme = _SAME_AS.get(scheme, scheme)
    default_port = DEFAULT_PORTS.get(scheme)
    if not separator or origin_scheme != scheme or default_port is None:
        return False
    theirs, ours = _HOST.fullmatch(authority), _HOST.fullmatch(host)
    if theirs is None or ours is None or theirs["host"].lower() != ours["host"].lower():
        return False
    return int(theirs["port"] or default_port) == int(ours["port"] or default_port)
