"""One exchange of a client whose session is kept in a store: the cookie holds a random id, signed."""

import hashlib
import logging
from secrets import token_urlsafe

import anyio

from pagi.context.session import SessionRecord
from pagi.middleware.session_visit import HEAD_LEFT, Arrival, Verdict, Visit
from pagi.middleware.signed_cookie import SignedCookie
from pagi.stores.store import Store

log = logging.getLogger("pagi.middleware")

ID_BYTES = 32
DELETE_SECONDS = 5.0
"""How long a failed or cancelled exchange may take to have an ended session deleted."""

_SAVED = "it was saved when everything inside the Session middleware had run; change it before, not while the answer is streamed"


class StoredArrival(Arrival):
    """What the client sent, and the session that the store has for it."""

    def __init__(self, cookie: SignedCookie, header: str, max_age: int, store: Store) -> None:
        super().__init__(cookie, header, max_age)
        self.store = store
        self.id: str | None = None
        """The id that came, where the store knows it."""
        self._record: SessionRecord | None = None

    async def ask(self) -> None:
        """Asks the store for the session of the id that came."""
        opened = self.opened()
        if opened is None:
            return
        data = await self.store.get(key_of(opened.payload))
        if data is None:
            log.debug("cookie %s names a session that is not there (any more)", self.cookie.name)
            return
        self._record = self.record(data, opened)
        if self._record is not None:
            self.id = opened.payload

    def load(self) -> SessionRecord | None:
        """What the store had."""
        return self._record


class StoredVisit(Visit):
    """What one exchange does to a session that is kept in a store.

    An id that the store does not know is never adopted. The store knows ids by their hash only, so whoever reads the store
    cannot come with them. Of two exchanges that change one session at the same time the last one to end wins; a session
    that was ended meanwhile stays ended.
    """

    arrival: StoredArrival

    def __init__(self, arrival: StoredArrival, *, rolling: bool, scheme: str, path: str) -> None:
        super().__init__(arrival, rolling=rolling, scheme=scheme, path=path)
        self._next_id: str | None = None  # the one that is valid after this exchange
        self._ended_as: Verdict | None = None

    async def begin(self) -> None:
        """Asks the store, once: everything inside may run again."""
        if self._ended_as is None:
            await self.arrival.ask()
        self._ended_as = None

    def verdict(self, status: int) -> Verdict:
        """As for a cookie; but once the store was told, the answer says the same."""
        if self._ended_as is None:
            return super().verdict(status)
        return "keep" if status >= 500 and self._ended_as != "remove" else self._ended_as

    def payload(self) -> str:
        """The id, a new one for a new session and after `regenerate`."""
        if self._next_id is None:
            self._next_id = token_urlsafe(ID_BYTES) if self.arrival.id is None or self.session.is_regenerated else self.arrival.id
        return self._next_id

    def close(self, verdict: Verdict) -> None:
        """The head is leaving. The values of a session whose id the client has may still change, until everything inside ran."""
        if self.is_running and verdict != "remove" and (self.arrival.id is not None or self._next_id is not None):
            self.session.settle(HEAD_LEFT)
        elif self._ended_as is None:
            self.session.lock(HEAD_LEFT)

    async def end(self, status: int) -> None:
        """Tells the store what became of the session."""
        session = self.session
        verdict = self._ended_as = super().verdict(status)
        session.lock(_SAVED)
        if verdict == "remove":
            await self._forget()
        elif verdict == "refresh" and self.arrival.id is not None:
            await self.arrival.store.touch(key_of(self.arrival.id), seconds=self.lifetime)
        elif verdict == "save":
            await self._save(self.payload())

    async def fail(self) -> None:
        """Saves nothing; but a session that was destroyed has ended, whatever failed after that."""
        self._ended_as = super().verdict(500)
        if self._ended_as == "remove":
            with anyio.move_on_after(DELETE_SECONDS, shield=True):
                await self._forget()

    async def _save(self, session_id: str) -> None:
        # Replaced only where it still is: else a slow exchange would bring a session back that another one ended.
        is_known = session_id == self.arrival.id
        if await self.arrival.store.set(key_of(session_id), self.session.encoded(), seconds=self.lifetime, if_present=is_known):
            if not is_known:
                await self._forget()
        else:
            log.info("a session was ended while %s ran, and what that changed is dropped", self.path)
            self._ended_as = "remove"

    async def _forget(self) -> None:
        if self.arrival.id is not None:
            await self.arrival.store.delete(key_of(self.arrival.id))


def key_of(session_id: str) -> str:
    """The key under which the store knows an id."""
    return f"session:{hashlib.sha256(session_id.encode()).hexdigest()}"
