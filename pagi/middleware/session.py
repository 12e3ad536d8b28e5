"""Sessions: what came with the cookie is given to the exchange, and what it became leaves with the answer."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from pagi.context.context import Context
from pagi.context.next import Next
from pagi.context.session import SESSION
from pagi.http.cookies import SameSite
from pagi.http.errors import AppError, ConfigError
from pagi.messages.response import Response
from pagi.middleware.session_visit import Arrival, Visit
from pagi.middleware.signed_cookie import Secure, SignedCookie
from pagi.middleware.signing_secrets import checked_secrets
from pagi.middleware.stored_session import StoredArrival, StoredVisit
from pagi.stores.store import Store

DAY_SECONDS = 24 * 60 * 60

_VISIT = "pagi.session.visit"


class NestedSession(AppError):
    """Two Session middlewares stand around one handler, which has one `ctx.session`."""

    def __init__(self, outer: str, inner: str) -> None:
        super().__init__(
            f"a Session middleware (cookie {inner!r}) stands inside another one (cookie {outer!r}), and there is one ctx.session; "
            f"remove one, or mount the two applications side by side"
        )


class Session:
    """Keeps a session per client: `ctx.session`, on requests, event streams and WebSockets alike.

    Without a store the values travel in a signed cookie: the client can read them and cannot change them, and about 2,900
    bytes of JSON fit. With a store the cookie holds a signed random id, and the values stay here.

    A cookie is set only when the session changed, and removed when it was left empty or destroyed. The answer then says
    `Cache-Control: no-store`, unless the application set that field; whoever used the session also gets `Vary: Cookie`. An
    answer of 5xx, or an error that nobody caught, saves nothing; a session that was destroyed ends even so. A cookie that is
    expired, forged or ambiguous makes an empty new session.

    The head of an answer carries the cookie. After it left, a change that would need the cookie raises `SessionNotSaved`.

    Args:
        secret: at least 32 random characters; of several the first one signs, and all verify.
        cookie: its name. The prefixes `__Host-` and `__Secure-` ask for `secure=True`.
        max_age: seconds that a session lives after it was last saved; `ctx.session.max_age` overrides it for one session.
        path: the paths that get the cookie.
        domain: the cookie goes to all hosts below it; None: to this host only.
        secure: `"auto"` where the request came over TLS. Behind a proxy that speaks http to us, say True.
        samesite: `"lax"`, `"strict"`, or `"none"`, which needs `secure=True`.
        httponly: scripts of the page cannot read the cookie.
        rolling: a session in use is also saved when a tenth of its life is over, so that it ends only after `max_age` of disuse.
        store: where the values are kept; None: in the cookie.
        clock: the time in seconds since 1970.

    Raises:
        ConfigError: a secret is weak, or browsers would refuse such a cookie.
    """

    def __init__(
        self,
        *,
        secret: str | Sequence[str],
        cookie: str = "session",
        max_age: int = 14 * DAY_SECONDS,
        path: str = "/",
        domain: str | None = None,
        secure: Secure = "auto",
        samesite: SameSite | None = "lax",
        httponly: bool = True,
        rolling: bool = False,
        store: Store | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if max_age <= 0:
            raise ConfigError(f"max_age is a number of seconds above 0, got {max_age}")
        self.max_age = max_age
        self.rolling = rolling
        self.store = store
        self.cookie = SignedCookie(
            cookie,
            secrets=checked_secrets(secret),
            purpose="session" if store is None else "session-id",
            path=path,
            domain=domain,
            secure=secure,
            samesite=samesite,
            httponly=httponly,
            clock=clock,
        )

    async def __call__(self, ctx: Context, next: Next) -> Response:
        """Runs everything inside with `ctx.session`.

        Raises:
            NestedSession: another Session middleware stands outside.
        """
        visit: Visit | None = ctx.scope.get(_VISIT)
        if visit is None:
            visit = self._visit(ctx)
            ctx.scope[_VISIT] = visit
            ctx.scope[SESSION] = visit.session
            ctx.on_response_start(visit.dress)
        elif visit.cookie is not self.cookie:
            raise NestedSession(visit.cookie.name, self.cookie.name)
        elif visit.is_running:
            return await next()  # the same middleware at two levels is one
        return await visit.run(next)

    def _visit(self, ctx: Context[Any]) -> Visit:
        # Not the context itself, which leads to the visit through its scope: a ring would be left for the collector.
        header = "; ".join(ctx.headers.get_all("cookie"))
        if self.store is None:
            return Visit(Arrival(self.cookie, header, self.max_age), rolling=self.rolling, scheme=ctx.scheme, path=ctx.path)
        arrival = StoredArrival(self.cookie, header, self.max_age, self.store)
        return StoredVisit(arrival, rolling=self.rolling, scheme=ctx.scheme, path=ctx.path)
