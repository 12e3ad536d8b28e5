"""Cookies as browsers send them and as servers may set them (RFC 6265 and its revision draft); no signing, no storage."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Literal

from pagi.http.dates import http_date
from pagi.http.errors import AppError
from pagi.http.headers import TOKEN

SameSite = Literal["lax", "strict", "none"]

MAX_COOKIE_BYTES = 4096
"""Name and value together; browsers drop larger ones without a word (RFC 6265bis section 5.6)."""

# cookie-octet: US-ASCII without controls, space, double quote, comma, semicolon and backslash (RFC 6265 section 4.1.1).
_VALUE = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*")
_PATH = re.compile(r"/[\x20-\x3a\x3c-\x7e]*")
_DOMAIN = re.compile(r"\.?[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*")
_SAMESITE = {"lax": "; SameSite=Lax", "strict": "; SameSite=Strict", "none": "; SameSite=None"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class InvalidCookie(AppError, ValueError):
    """A cookie that a browser would refuse or misread."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"cookie {name!r}: {problem}")
        self.name = name


def parse_cookies(header: str) -> dict[str, str]:
    """The pairs of a Cookie field as browsers send it (RFC 6265 section 5.4).

    The first of equal names wins, since browsers send the most specific path first. Values lose one pair of quotes around
    them and are not decoded further. What is no pair is left out. Join several Cookie fields by `"; "` first.

    >>> parse_cookies('a=1; b="two"; junk; a=3')
    {'a': '1', 'b': 'two'}
    """
    cookies: dict[str, str] = {}
    for name, value in cookie_pairs(header):
        cookies.setdefault(name, value)
    return cookies


def cookie_pairs(header: str) -> Iterator[tuple[str, str]]:
    """Every pair of a Cookie field, equal names too; otherwise as `parse_cookies`.

    >>> list(cookie_pairs("a=1; b=2; a=3"))
    [('a', '1'), ('b', '2'), ('a', '3')]
    """
    for pair in header.split(";"):
        name, equals, value = pair.partition("=")
        # Only space and tab: str.strip() also takes U+00A0, and so would make a `__Host-` name of one that never was.
        name = name.strip(" \t")
        if not equals or not name:
            continue
        value = value.strip(" \t")
        if len(value) >= 2 and value[0] == '"' and value[-1] == '"':
            value = value[1:-1]
        yield name, value


def set_cookie(
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
) -> bytes:
    """Value of a Set-Cookie field (RFC 6265 section 4.1), checked against everything browsers would refuse.

    `max_age` is in seconds, and at or below 0 removes the cookie; `expires` needs a timezone. Without either the cookie
    ends with the browser's session. `path` and `domain` of None are left out.

    >>> set_cookie("theme", "dark", max_age=3600, secure=True)
    b'theme=dark; Path=/; Max-Age=3600; Secure; HttpOnly; SameSite=Lax'

    Raises:
        InvalidCookie: a part may not go on the wire, or the parts contradict each other.
    """
    _check_pair(name, value)
    _check_attributes(name, path=path, domain=domain, secure=secure, samesite=samesite, partitioned=partitioned)
    parts = [f"{name}={value}"]
    if path is not None:
        parts.append(f"; Path={path}")
    if domain is not None:
        parts.append(f"; Domain={domain}")
    if max_age is not None:
        parts.append(f"; Max-Age={max_age:d}")
    if expires is not None:
        if expires.tzinfo is None:
            raise InvalidCookie(name, f"expires {expires!r} has no timezone; use an aware datetime such as datetime.now(UTC)")
        parts.append(f"; Expires={http_date(expires)}")
    if secure:
        parts.append("; Secure")
    if httponly:
        parts.append("; HttpOnly")
    if samesite is not None:
        parts.append(_SAMESITE[samesite])
    if partitioned:
        parts.append("; Partitioned")
    return "".join(parts).encode("ascii")


def delete_cookie(
    name: str,
    *,
    path: str | None = "/",
    domain: str | None = None,
    secure: bool = False,
    httponly: bool = True,
    samesite: SameSite | None = "lax",
    partitioned: bool = False,
) -> bytes:
    """Value of a Set-Cookie field that removes a cookie. Repeat the attributes it was set with, or browsers keep it.

    >>> delete_cookie("theme")
    b'theme=; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; SameSite=Lax'

    Raises:
        InvalidCookie: as for `set_cookie`.
    """
    return set_cookie(
        name,
        "",
        max_age=0,
        expires=_EPOCH,
        path=path,
        domain=domain,
        secure=secure,
        httponly=httponly,
        samesite=samesite,
        partitioned=partitioned,
    )


def _check_pair(name: str, value: str) -> None:
    if not TOKEN.fullmatch(name):
        raise InvalidCookie(name, "the name is not a token; use letters, digits and any of !#$%&'*+-.^_`|~")
    if not _VALUE.fullmatch(value):
        raise InvalidCookie(
            name, "the value holds a control character, space, quote, comma, semicolon, backslash or non-ASCII; encode it first"
        )
    size = len(name) + len(value)
    if size > MAX_COOKIE_BYTES:
        raise InvalidCookie(
            name, f"name and value are {size} bytes, browsers keep at most {MAX_COOKIE_BYTES}; store the data and send a key"
        )


def _check_attributes(
    name: str, *, path: str | None, domain: str | None, secure: bool, samesite: SameSite | None, partitioned: bool
) -> None:
    if path is not None and not _PATH.fullmatch(path):
        raise InvalidCookie(name, f"path {path!r} must start with / and hold neither semicolons nor control characters")
    if domain is not None and not _DOMAIN.fullmatch(domain):
        raise InvalidCookie(name, f"domain {domain!r} is not a host name")
    if samesite is not None and samesite not in _SAMESITE:
        raise InvalidCookie(name, f"samesite {samesite!r} is none of lax, strict and none")
    if samesite == "none" and not secure:
        raise InvalidCookie(name, "samesite none needs secure=True, browsers refuse it otherwise")
    if partitioned and not secure:
        raise InvalidCookie(name, "partitioned needs secure=True, browsers refuse it otherwise")
    # Browsers compare the prefixes without case (RFC 6265bis section 4.1.3).
    prefix = name[:9].lower()
    if prefix == "__secure-" and not secure:
        raise InvalidCookie(name, "the prefix __Secure- needs secure=True")
    if prefix.startswith("__host-") and (not secure or path != "/" or domain is not None):
        raise InvalidCookie(name, "the prefix __Host- needs secure=True, path='/' and no domain")
