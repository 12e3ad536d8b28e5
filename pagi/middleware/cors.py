"""`CORS`: which pages of other origins may read our answers (the CORS protocol, section 3.3 of the Fetch standard)."""

import re
import secrets
from collections.abc import Sequence
from functools import partial
from typing import Literal

from pagi.context.context import Context
from pagi.context.next import KINDS, Kind, Middleware, Next
from pagi.gateway.types import HeaderList
from pagi.http.errors import ConfigError
from pagi.http.headers import TOKEN, parse_list
from pagi.http.url import DEFAULT_PORTS
from pagi.messages.channel import Head
from pagi.messages.problems import problem
from pagi.messages.response import Response, raw_pairs, whole
from pagi.middleware.kinds import ContextClasses

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
HEADERS = ("authorization", "content-type", "last-event-id")
"""What scripts of APIs and event streams add. The usual ones (`accept`, `accept-language`) are asked for only with odd values."""

ANY = "*"
MOST_CHARACTERS = 512
"""No origin is longer: a host name has at most 253. A pattern is not tried on more."""
MOST_NAMED = 5
"""How many of the headers that were refused are named."""

_ORIGIN = re.compile(r"([A-Za-z][\w+.\-]*)://([\w.\-:\[\]]+)(?:/\S*)?", re.ASCII)
_PREFLIGHT_VARY = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers, Access-Control-Request-Private-Network"


class CORS:
    """Lets pages of the named origins read answers. Errors, streams and mounted applications carry its fields too.

    It answers preflights itself, wherever a route or mount is: an allowed one with 204, a refused one with 403 and a text that says
    what is not allowed. Have it on the app or a router: a single route does not see them, its OPTIONS belongs to the path. Where
    several stand around a path, the outermost one answers.

    It protects nothing: a page that is not allowed to read an answer may still have caused it, with the user's cookies. Guard what
    changes something by other means. WebSockets do not take part in CORS; their guard is `App(origins=...)`.

    Args:
        origins: as browsers send them, `"https://example.org"`, compared as they are; `"*"` for all, `"null"` for pages without one.
        origin_regex: a pattern that the whole of an origin may match instead. It never allows `null`. Mind to escape dots.
        methods: those that preflights may ask for; `"*"` for all.
        headers: the request fields they may ask for; `"*"` for all but `authorization`, which the standard wants named.
        expose: the response fields that pages may read besides the usual ones.
        credentials: let them send cookies and read what comes back. Then nothing may be `"*"`.
        max_age: for how many seconds browsers may remember a preflight; None leaves it to them (5).
        private_network: let public pages reach us in a private network.

    Raises:
        ConfigError: an origin that no browser sends, a `"*"` beside credentials, or another option that could not work.
    """

    def __init__(
        self,
        origins: Sequence[str] | Literal["*"] = (),
        *,
        origin_regex: str | re.Pattern[str] | None = None,
        methods: Sequence[str] | Literal["*"] = METHODS,
        headers: Sequence[str] | Literal["*"] = HEADERS,
        expose: Sequence[str] | Literal["*"] = (),
        credentials: bool = False,
        max_age: int | None = 600,
        private_network: bool = False,
    ) -> None:
        listed = _listed("origins", origins)
        self._allows_any = ANY in listed
        self._origins = frozenset(listed if self._allows_any else map(_checked_origin, listed))
        self._pattern = _checked_pattern(origin_regex, credentials=credentials)
        if not self._origins and self._pattern is None:
            raise ConfigError('CORS: no origin is allowed; write origins=["https://example.org"], or origin_regex')
        if self._allows_any and (len(self._origins) > 1 or self._pattern is not None):
            raise ConfigError("CORS: origins has '*', which allows what the others would restrict; keep one or the others")
        if max_age is not None and max_age < 0:
            raise ConfigError(f"CORS: max_age must not be negative, got {max_age}")
        self._methods = _tokens("methods", methods)
        self._headers = tuple(name.lower() for name in _tokens("headers", headers))
        self._expose = ", ".join(_tokens("expose", expose))
        if credentials:
            for name, value in (("origins", listed), ("methods", self._methods), ("headers", self._headers), ("expose", expose)):
                if ANY in value:
                    # Fetch: with credentials the wildcard is a name like any other, or fails the check.
                    raise ConfigError(f"CORS: {name} is '*', which means nothing beside credentials=True; name them")
        self._credentials = credentials
        self._private_network = private_network
        self._permits: HeaderList = raw_pairs(
            [
                ("access-control-allow-methods", ", ".join(self._methods)),
                *([("access-control-allow-headers", ", ".join(self._headers))] if self._headers else []),
                *([("access-control-max-age", str(max_age))] if max_age is not None else []),
                ("vary", _PREFLIGHT_VARY),
            ]
        )

    def kinds(self, classes: ContextClasses) -> frozenset[Kind]:
        """Every kind: WebSockets are left alone because browsers ask no CORS for them."""
        return frozenset(KINDS)

    def for_kind(self, kind: Kind, classes: ContextClasses) -> Middleware | None:
        """Steps aside for WebSockets, which then keep no frame of it."""
        return None if kind == "websocket" else self

    def allows(self, origin: str) -> bool:
        """Pages of `origin` may read answers."""
        if self._allows_any or origin in self._origins:
            return True
        if self._pattern is None or origin == "null" or len(origin) > MOST_CHARACTERS:
            return False
        return self._pattern.fullmatch(origin) is not None

    async def __call__(self, ctx: Context, next: Next) -> Response:
        """Answers a preflight; of anything else only the head is marked."""
        if ctx.type == "websocket":
            return await next()
        # Every request passes here: a look along its fields costs less than their index, which nobody else may need.
        fields = [value for name, value in ctx.scope["headers"] if name == b"origin"]
        origin = fields[0].decode("latin-1") if len(fields) == 1 else None
        if self._allows_any:
            # Also where no Origin came: a cache may give the same answer to one that has it.
            ctx.on_response_start(partial(self._allow, ANY))
        elif origin is not None and self.allows(origin):
            ctx.on_response_start(partial(self._allow, origin))
        else:
            ctx.on_response_start(_vary)
        if origin is not None and ctx.scope["method"] == "OPTIONS":
            wanted = ctx.headers.get("access-control-request-method")
            if wanted is not None:
                return self._preflight(ctx, origin, wanted)
        return await next()

    def _allow(self, origin: str, head: Head) -> None:
        headers = head.headers
        headers.set("access-control-allow-origin", origin)
        if origin != ANY:
            headers.vary("Origin")
        if self._credentials:
            headers.set("access-control-allow-credentials", "true")
        if self._expose:
            headers.set("access-control-expose-headers", self._expose)

    def _preflight(self, ctx: Context, origin: str, method: str) -> Response:
        """The answer to: may this origin send that?"""
        if not self.allows(origin):
            # What would be allowed is no business of theirs.
            return problem(403, f"CORS: origin {origin[:MOST_CHARACTERS]!r} is not allowed here", {"vary": _PREFLIGHT_VARY})
        asked = [name for value in ctx.headers.get_all("access-control-request-headers") for name in parse_list(value.lower())]
        is_private = ctx.headers.get("access-control-request-private-network") == "true"
        refusals: list[str] = []
        if method not in self._methods and ANY not in self._methods:
            refusals.append(f"method {method[:MOST_CHARACTERS]!r} is not allowed, only {', '.join(self._methods)}")
        if refused := [name for name in asked if not self._takes(name)]:
            named = ", ".join(repr(name[:MOST_CHARACTERS]) for name in refused[:MOST_NAMED])
            more = f" and {len(refused) - MOST_NAMED} more" if len(refused) > MOST_NAMED else ""
            refusals.append(f"request headers {named}{more} are not allowed, only {', '.join(self._headers) or 'the usual ones'}")
        if is_private and not self._private_network:
            refusals.append("a public page may not reach this private network")
        if refusals:
            response = problem(403, f"CORS: {'; '.join(refusals)}")
            response.raw_headers.extend(self._permits)
            return response
        permits = list(self._permits)
        if is_private:
            permits.append((b"access-control-allow-private-network", b"true"))
        return whole(b"", permits, 204)

    def _takes(self, name: str) -> bool:
        return name in self._headers or (ANY in self._headers and name != "authorization")


def _vary(head: Head) -> None:
    head.headers.vary("Origin")


def _listed(option: str, value: Sequence[str]) -> list[str]:
    if isinstance(value, str):
        if value != ANY:
            raise ConfigError(f"CORS: {option} is a list or '*'; write [{value!r}]")
        return [value]
    return list(value)


def _tokens(option: str, value: Sequence[str]) -> tuple[str, ...]:
    names = _listed(option, value)
    for name in names:
        if not TOKEN.fullmatch(name):
            raise ConfigError(f"CORS: {option} has {name!r}, which is not one name; write each by itself")
    return tuple(dict.fromkeys(names))


def _checked_origin(origin: str) -> str:
    """`origin`, if a browser would ever send it: the comparison is exact, so anything else would never be allowed."""
    if origin == "null":
        return origin
    found = _ORIGIN.fullmatch(origin)
    if found is None:
        raise ConfigError(
            f"CORS: {origin!r} is no origin; write scheme and host, https://example.org (a name that is not ASCII as xn--), or origin_regex"
        )
    scheme, authority = found[1].lower(), found[2].lower()
    if scheme in DEFAULT_PORTS:
        authority = authority.removesuffix(f":{DEFAULT_PORTS[scheme]}")
    sent = f"{scheme}://{authority}"
    if sent != origin:
        raise ConfigError(f"CORS: browsers never send {origin!r} as origin; write {sent!r}")
    return origin


def _checked_pattern(pattern: str | re.Pattern[str] | None, *, credentials: bool) -> re.Pattern[str] | None:
    if pattern is None:
        return None
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"CORS: origin_regex {pattern!r} is no pattern: {error}") from error
    stranger = f"https://{secrets.token_hex(8)}.invalid"
    if credentials and compiled.fullmatch(stranger):
        raise ConfigError(f"CORS: origin_regex matches any host, {stranger} for example, which may not be with credentials=True")
    return compiled
