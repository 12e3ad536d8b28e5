"""The client's cookies, kept as a browser keeps those of one host (RFC 6265 section 5.3, with what its revision refuses).

The standard library's jar was not taken: it reads the machine's clock by itself, so cookies could not end by the client's;
it knows hosts without a dot under another name, no prefixes, and no answer but urllib's.
"""

import calendar
import logging
from collections.abc import Callable, Iterator, Mapping
from email.utils import parsedate_tz

import msgspec

from pagi.http.cookies import MAX_COOKIE_BYTES, InvalidCookie

log = logging.getLogger("pagi.testing")


class SetCookie(msgspec.Struct, frozen=True):
    """One Set-Cookie field, read (RFC 6265 section 5.2)."""

    name: str
    value: str
    attributes: dict[str, str]
    """By name in lower case; the last of each counts."""

    def lifetime(self, now: float) -> float | None:
        """When it ends, in seconds since the epoch; None: with the session. Max-Age goes before Expires."""
        age = self.attributes.get("max-age", "")
        if age.removeprefix("-").isdecimal():
            return now + int(age) if int(age) > 0 else 0.0
        moment = parsedate_tz(self.attributes.get("expires", ""))
        return None if moment is None else calendar.timegm(moment[:9]) - (moment[9] or 0)


def read_set_cookie(field: str) -> SetCookie | None:
    """A Set-Cookie field, or None where it has no name.

    >>> read_set_cookie("a=1; Path=/x; HttpOnly")
    SetCookie(name='a', value='1', attributes={'path': '/x', 'httponly': ''})
    """
    pair, *rest = field.split(";")
    name, equals, value = pair.partition("=")
    if not equals or not name.strip(" \t"):
        return None
    attributes: dict[str, str] = {}
    for attribute in rest:
        key, _, text = attribute.partition("=")
        attributes[key.strip(" \t").lower()] = text.strip(" \t")
    return SetCookie(name.strip(" \t"), value.strip(" \t"), attributes)


class _Kept(msgspec.Struct):
    """A cookie in the jar."""

    name: str
    value: str
    path: str
    is_secure: bool
    ends: float | None


class Cookies(Mapping[str, str]):
    """The cookies of the one host a client talks to, by name. What answers set is kept, and sent with every kind of request.

    Where a name is kept for several paths, reading it gives the value of the longest. `clock` gives seconds since the epoch.
    """

    def __init__(self, host: str, clock: Callable[[], float]) -> None:
        self._host = host.lower()
        self._clock = clock
        # A cookie with a Domain and one without are two, though of one name (RFC 6265 section 5.3, step 11).
        self._kept: dict[tuple[str, str, str], _Kept] = {}

    # ---- what tests do

    def __getitem__(self, name: str) -> str:
        found = [kept for kept in self._alive() if kept.name == name]
        if not found:
            raise KeyError(name)
        return max(found, key=lambda kept: len(kept.path)).value

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(kept.name for kept in self._alive()))

    def __len__(self) -> int:
        return len({kept.name for kept in self._alive()})

    def __repr__(self) -> str:
        return f"<Cookies {dict(self)!r}>"

    def set(self, name: str, value: str, *, path: str = "/", secure: bool = False) -> None:
        """Keeps a cookie until the session ends. `secure` ones are sent over https only.

        Raises:
            InvalidCookie: it would not come out of a Cookie field as it went in.
        """
        check_pair(name, value)
        self._kept[name, "", path] = _Kept(name, value, path, secure, None)

    def delete(self, name: str, *, path: str | None = None) -> None:
        """Forgets a cookie: of this path, or of every.

        Raises:
            KeyError: there is none.
        """
        found = [key for key, kept in self._kept.items() if kept.name == name and path in (None, kept.path)]
        if not found:
            raise KeyError(name)
        for key in found:
            del self._kept[key]

    def clear(self) -> None:
        """Forgets them all, as a new browser session does."""
        self._kept.clear()

    # ---- what the client does

    def keep(self, fields: list[str], path: str, *, is_secure: bool) -> None:
        """Takes the Set-Cookie fields of an answer to a request for `path`. What a browser would refuse is logged and left out."""
        for field in fields:
            cookie = read_set_cookie(field)
            problem = "it has no name" if cookie is None else self._problem(cookie, is_secure=is_secure)
            if cookie is None or problem is not None:
                log.warning("a cookie is not kept, as browsers would not: %s; Set-Cookie: %s", problem, field[:200])
                continue
            own = cookie.attributes.get("path", "")
            own = own if own.startswith("/") else path.rpartition("/")[0] or "/"
            key = cookie.name, cookie.attributes.get("domain", "").lower().removeprefix("."), own
            ends = cookie.lifetime(self._clock())
            if ends is not None and ends <= self._clock():
                self._kept.pop(key, None)
            elif (old := self._kept.get(key)) is not None:
                old.value, old.is_secure, old.ends = cookie.value, "secure" in cookie.attributes, ends  # it keeps its place
            else:
                self._kept[key] = _Kept(cookie.name, cookie.value, own, "secure" in cookie.attributes, ends)

    def field(self, path: str, more: Mapping[str, str], *, is_secure: bool) -> str | None:
        """The Cookie field of a request for `path`, those of `more` in place of kept ones of the same name; None for no cookie.

        Longer paths go first, then what was there first (RFC 6265 section 5.4).
        """
        fitting = [kept for kept in self._alive() if _matches(path, kept.path) and (is_secure or not kept.is_secure)]
        fitting.sort(key=lambda kept: -len(kept.path))
        pairs = [(kept.name, kept.value) for kept in fitting if kept.name not in more]
        return "; ".join(f"{name}={value}" for name, value in [*pairs, *more.items()]) or None

    # ---- inside

    def _alive(self) -> list[_Kept]:
        now = self._clock()
        self._kept = {key: kept for key, kept in self._kept.items() if kept.ends is None or kept.ends > now}
        return list(self._kept.values())

    def _problem(self, cookie: SetCookie, *, is_secure: bool) -> str | None:
        """Why a browser would not keep it (RFC 6265bis section 5.7)."""
        attributes = cookie.attributes
        secure = "secure" in attributes
        domain = attributes.get("domain", "").lower().removeprefix(".")
        prefix = cookie.name[:9].lower()
        if secure and not is_secure:
            return 'it is Secure, and came over http; give the client base_url="https://testserver"'
        if domain and domain != self._host and not ("." in domain and self._host.endswith(f".{domain}")):
            return f"its domain {domain} does not hold {self._host}"
        if not secure and (attributes.get("samesite", "").lower() == "none" or "partitioned" in attributes):
            return "SameSite=None and Partitioned need Secure"
        if prefix == "__secure-" and not secure:
            return "the prefix __Secure- needs Secure"
        if prefix.startswith("__host-") and (not secure or attributes.get("path") != "/" or domain):
            return "the prefix __Host- needs Secure, Path=/ and no Domain"
        if (size := len(cookie.name) + len(cookie.value)) > MAX_COOKIE_BYTES:
            return f"name and value are {size} bytes, and {MAX_COOKIE_BYTES} are kept at most"
        return None


def check_pair(name: str, value: str) -> None:
    """Looks at a cookie that a test made.

    Raises:
        InvalidCookie: it would not come out of a Cookie field as it went in.
    """
    if not name or name != name.strip(" \t") or "=" in name or ";" in name:
        raise InvalidCookie(name, "a name is not empty and has no =, no semicolon and no space around it")
    if ";" in value or value != value.strip(" \t"):
        raise InvalidCookie(name, f"the value {value[:50]!r} holds a semicolon or space around it; encode it first")


def _matches(path: str, kept: str) -> bool:
    """Whether a cookie for `kept` goes with a request for `path` (RFC 6265 section 5.1.4)."""
    return path == kept or (path.startswith(kept) and (kept.endswith("/") or path[len(kept)] == "/"))
