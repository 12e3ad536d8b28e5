"""`RequestId`: one id for each exchange, in the stash, in the answer's head, and on every log line about it."""

import re
import secrets
from collections.abc import Callable
from functools import partial

from pagi.context.context import Context
from pagi.context.next import Next
from pagi.context.stash import StashKey
from pagi.http.errors import ConfigError
from pagi.http.headers import TOKEN
from pagi.messages.channel import Head
from pagi.messages.response import Response

REQUEST_ID = StashKey("request_id", str)
"""The id of the exchange: `ctx.stash[REQUEST_ID]`."""

IN_SCOPE = "pagi.request_id"
"""Where the id stands in the scope, for logs and for mounted applications."""

MOST_CHARACTERS = 128
"""How long an id of the client may be: it is copied into every log line."""


def new_id() -> str:
    """128 random bits, in hexadecimal."""
    return secrets.token_hex(16)


class RequestId:
    """Gives each exchange an id: a request, a WebSocket session, an event stream.

    It stands in `ctx.stash[REQUEST_ID]`, in `scope["pagi.request_id"]` for applications below, in the head of the answer, and
    in the lines that pagi logs about the exchange. Where there is one already (two of these, or a mounted app that has its
    own) it is kept. Register it first, so that it stands around everything that may fail.

    Args:
        header: the field that carries it, in both directions.
        trust_incoming: take the client's id, if it is one token of at most 128 characters; a pattern, which has to match all of it,
            narrows that. Only behind a proxy that sets or removes the field: a client could otherwise have the id of another.
        generate: makes a new id.

    Raises:
        ConfigError: `header` is no field name, or `trust_incoming` no pattern.
    """

    def __init__(
        self,
        *,
        header: str = "x-request-id",
        trust_incoming: bool | str | re.Pattern[str] = False,
        generate: Callable[[], str] = new_id,
    ) -> None:
        if not TOKEN.fullmatch(header):
            raise ConfigError(f"RequestId: header {header!r} is no field name; use letters, digits and '-'")
        self._header = header
        self._pattern: re.Pattern[str] | None = None
        if trust_incoming is True:
            self._pattern = TOKEN
        elif trust_incoming is not False:
            try:
                self._pattern = re.compile(trust_incoming)
            except re.error as error:
                raise ConfigError(f"RequestId: trust_incoming {trust_incoming!r} is no pattern: {error}") from error
        self._generate = generate

    async def __call__(self, ctx: Context, next: Next) -> Response:
        """Names the exchange, then runs what is inside."""
        request_id: str | None = ctx.scope.get(IN_SCOPE)
        if request_id is None:
            request_id = ctx.scope[IN_SCOPE] = self._incoming(ctx) or self._generate()
        ctx.stash[REQUEST_ID] = request_id
        ctx.on_response_start(partial(self._show, request_id))
        return await next()

    def _incoming(self, ctx: Context) -> str | None:
        """The client's id, if it may have one and this is one."""
        if self._pattern is None:
            return None
        values = ctx.headers.get_all(self._header)
        if len(values) != 1 or len(values[0]) > MOST_CHARACTERS or not TOKEN.fullmatch(values[0]):
            return None
        return values[0] if self._pattern.fullmatch(values[0]) else None

    def _show(self, request_id: str, head: Head) -> None:
        head.headers.set(self._header, request_id)
