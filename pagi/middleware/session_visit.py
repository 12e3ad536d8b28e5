"""One exchange of a client that has a session: from the cookie that came to the cookie that leaves, which holds the values."""

import logging
from typing import Literal

import msgspec

from pagi.context.next import Next
from pagi.context.session import Session, SessionRecord
from pagi.gateway.reasons import ClientGone
from pagi.http.errors import AppError
from pagi.messages.channel import Head
from pagi.messages.response import Response
from pagi.middleware.signed_cookie import CookieTooLarge, Opened, SignedCookie, decode_payload, encode_payload

log = logging.getLogger("pagi.middleware")

REFRESH_PART = 0.1
"""The part of its life after which a session in use is saved again, where that is wanted: not with every answer."""

Verdict = Literal["keep", "save", "refresh", "remove"]

HEAD_LEFT = "the head of the answer, which carries the cookie, has left; change the session before the first byte, event or accept"
FAILED = "something inside the Session middleware failed, and then nothing is saved; answer the error inside of it instead"

_decode_record = msgspec.json.Decoder(SessionRecord).decode


class SessionTooLarge(AppError):
    """The session does not fit into a cookie."""

    def __init__(self, error: CookieTooLarge, sizes: dict[str, int]) -> None:
        largest = max(sizes, key=lambda name: sizes[name])
        super().__init__(
            f"the session does not fit: {error}; the largest value is {largest!r} ({sizes[largest]:,} bytes as JSON). "
            f"Keep less in it, or keep sessions in a store: Session(secret=..., store=...)"
        )
        self.size = error.size


class Arrival:
    """What the client sent, and the session in it, if that is valid."""

    def __init__(self, cookie: SignedCookie, header: str, max_age: int) -> None:
        self.cookie = cookie
        self.header = header
        self.max_age = max_age
        self.age_seconds = 0.0
        """Since the session was saved; known once it is loaded."""

    def load(self) -> SessionRecord | None:
        """The session that the cookie holds. Called when it is first used."""
        opened = self.opened()
        if opened is None:
            return None
        try:
            data = decode_payload(opened.payload)
        except ValueError:
            return None
        return self.record(data, opened)

    def opened(self) -> Opened | None:
        """What the cookie says, if we wrote it."""
        value = self.cookie.find(self.header) if self.header else None
        return None if value is None else self.cookie.open(value)

    def record(self, data: bytes, opened: Opened) -> SessionRecord | None:
        """What was kept, if it is not expired."""
        try:
            record = _decode_record(data)
        except msgspec.MsgspecError as error:
            log.debug("a session of cookie %s is not one of this release: %s", self.cookie.name, error)
            return None
        if opened.age_seconds > (record.max_age or self.max_age):
            log.debug("cookie %s expired: it is %.0f s old", self.cookie.name, opened.age_seconds)
            return None
        self.age_seconds = opened.age_seconds
        return record


class Visit:
    """What one exchange does to a session that is kept in a cookie."""

    def __init__(self, arrival: Arrival, *, rolling: bool, scheme: str, path: str) -> None:
        self.arrival = arrival
        self.cookie = arrival.cookie
        self.session = Session(load=arrival.load)
        self.is_running = False
        """Everything inside runs right now."""
        self.path = path
        self._scheme = scheme
        self._rolling = rolling
        self._failed = False
        self._is_dressed = False
        self._left_as: bytes | None = None  # the values as the head took them along, if more may come after it

    # ---- while everything inside runs

    async def run(self, next: Next) -> Response:
        """Runs everything inside, and does what has to be done before the answer leaves."""
        self.is_running, self._failed = True, False
        if not self._is_dressed:
            self.session.lock(None)  # after a run that failed, or was saved, and is now tried again
        try:
            await self.begin()
            try:
                response = await next()
            except ClientGone:
                # An ordinary end of a session or stream: what it did is not undone.
                await self.end(200)
                raise
            except BaseException:
                self._failed = True
                self.session.lock(FAILED)
                await self.fail()
                raise
            await self.end(response.status)
        finally:
            self.is_running = False
        return response

    async def begin(self) -> None:
        """Before anything inside runs."""

    # ---- when the answer leaves

    @property
    def lifetime(self) -> int:
        """How many seconds the session lives once it is saved."""
        return self.session.max_age or self.arrival.max_age

    def verdict(self, status: int) -> Verdict:
        """What becomes of the session with an answer of this status."""
        session = self.session
        if session.is_destroyed:
            return "remove"
        if self._failed or status >= 500 or not session.was_used:
            return "keep"
        if session.is_empty:
            return "remove"
        if session.is_changed:
            return "save"
        return "refresh" if self._rolling and self.arrival.age_seconds >= self.lifetime * REFRESH_PART else "keep"

    def dress(self, head: Head) -> None:
        """Puts the cookie on the head of an answer that is about to leave.

        Raises:
            SessionTooLarge: it does not fit.
            NotJSON: a value was changed in place to something that has no JSON form.
        """
        verdict = self.verdict(head.status)
        field = self.field(verdict)
        if field is not None:
            head.headers.add("set-cookie", field)
        # The answer to a handshake is kept by no cache.
        if head.status != 101:
            if field is not None:
                head.headers.set_default("cache-control", "no-store")
            if self.session.was_used:
                head.headers.vary("Cookie")
        self._is_dressed = True
        self.close(verdict)

    def field(self, verdict: Verdict) -> str | None:
        """The Set-Cookie field that carries out a verdict, if it takes one."""
        if verdict == "keep":
            return None
        if verdict == "remove":
            return self.cookie.removal(self._scheme) if self.cookie.is_in(self.arrival.header) else None
        payload, lifetime = self.payload(), self.lifetime
        try:
            return self.cookie.issue(payload, max_age=lifetime, scheme=self._scheme)
        except CookieTooLarge as error:
            raise SessionTooLarge(error, self.session.sizes()) from error

    def payload(self) -> str:
        """What the cookie will hold."""
        return encode_payload(self.session.encoded())

    def close(self, verdict: Verdict) -> None:
        """The head is leaving: refuses what cannot be saved any more."""
        self.session.lock(HEAD_LEFT)
        if self.is_running and self.session.was_used:
            self._left_as = self.session.encoded()

    async def end(self, status: int) -> None:
        """After everything inside ran, with the status of its answer."""
        if self._left_as is not None and self._left_as != self.session.encoded():
            log.error("%s changed the inside of a session value too late, and it is lost: %s", self.path, HEAD_LEFT)

    async def fail(self) -> None:
        """After something inside failed."""
