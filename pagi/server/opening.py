"""A connection before its first bytes: they tell whether it speaks HTTP/1.1 or HTTP/2."""

import msgspec

from pagi.gateway.forwarding import Forwarding
from pagi.gateway.reasons import Reason
from pagi.server.connection import Connection
from pagi.server.endings import SERVER_FULL
from pagi.server.exchanges.scope import Peer
from pagi.server.figures import OpenExchange
from pagi.server.multiplexed import MultiplexedConnection
from pagi.server.runtime import Line
from pagi.server.service import Service

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""What an HTTP/2 client begins with (RFC 9113 section 3.4)."""
TELLING_BYTES = 4
"""Of the preface: no other request has a method that begins so."""
SILENT_SECONDS = 1.0
"""After the closing signal, how long a connection that has said nothing yet may still do so: its request may be on its way."""


class Opening:
    """Waits for the first bytes of a connection, then hands the line over to whoever speaks what they begin."""

    __slots__ = ("_begun", "_line", "_opened_at", "_peer", "_service", "is_congested")

    def __init__(self, service: Service, line: Line, peer: Peer) -> None:
        self._service = service
        self._line = line
        self._peer = peer
        self._opened_at = service.runtime.now()
        self._begun = b""
        """What came so far and may still become either."""
        self.is_congested = False
        service.connections.add(self)

    @property
    def _may_become_http2(self) -> bool:
        """By prior knowledge, which is for the clear alone: over TLS both sides agree on it beforehand (RFC 9113 section 3.2)."""
        return self._service.options.http2.http2 and self._peer.tls is None

    # ---- what the transport tells

    def received(self, data: bytes) -> None:
        """Bytes arrived; `b""` is the end of input."""
        begun = self._begun + data
        # The first read can be a lone `P`, of POST or of the HTTP/2 preface: guessing either would lose the other.
        if data and self._may_become_http2 and PREFACE.startswith(begun[:TELLING_BYTES]):
            if len(begun) < TELLING_BYTES:
                self._begun = begun
            else:
                self._speak_http2().received(begun)
            return
        connection = self._speak_http1()
        if begun:
            connection.received(begun)
        if not data:
            connection.received(data)

    def lost(self, reason: Reason) -> None:
        """The line is gone before anything was said."""
        self._service.forget(self)

    def congested(self) -> None:
        self.is_congested = True

    def drained(self) -> None:
        self.is_congested = False

    # ---- what the process tells

    def sweep(self, now: float) -> None:
        """A client that says nothing may do so for as long as a head may take; once the server closes, for a moment."""
        service = self._service
        if service.closing_since is not None and now - service.closing_since >= SILENT_SECONDS:
            self._line.close()
            return
        limit = service.options.timeouts.head_seconds
        if limit and now - self._opened_at >= limit:
            connection = self._speak_http1()
            if self._begun:
                connection.received(self._begun)
            connection.sweep(now)

    def begin_closing(self, deadline: float) -> None:
        """It may have sent its request already: what comes is answered, as the connection's last."""

    def look(self, now: float) -> list[OpenExchange]:
        """Nothing yet."""
        return []

    def cut(self) -> list[object]:
        """The deadline passed."""
        self._line.abort()
        return []

    # ---- inside

    def _speak_http1(self) -> Connection:
        self._service.connections.discard(self)
        connection = Connection(self._service, self._line, self._peer, self._opened_at)
        self._line.hand_over(connection)
        return connection

    def _speak_http2(self) -> MultiplexedConnection:
        self._service.connections.discard(self)
        connection = MultiplexedConnection(self._service, self._line, self._peer, self._opened_at)
        self._line.hand_over(connection)
        return connection


def open_connection(service: Service, line: Line, peer: Peer, protocol: str | None = None) -> None:
    """Gives a new line to whoever will speak on it; ends it if as many are open as may be.

    `protocol` is what TLS agreed on (RFC 7301): `h2`, `http/1.1`, or None.
    """
    figures = service.figures
    if figures is not None:
        figures.accepted += 1
    if service.forwarding is not None:
        peer = _judged(peer, service.forwarding)
    if service.turns_away():
        if figures is not None:
            figures.turned_away += 1
        line.write([SERVER_FULL])
        line.close(linger=True)
    elif protocol == "h2":
        line.hand_over(MultiplexedConnection(service, line, peer, service.runtime.now()))
    else:
        line.hand_over(Opening(service, line, peer))


def _judged(peer: Peer, forwarding: Forwarding) -> Peer:
    """The peer, and what its word counts about others: that of one nobody knows counts nothing."""
    is_known = peer.client is not None or not peer.is_announced
    is_trusted = is_known and forwarding.trusts(peer.client[0] if peer.client is not None else None)
    return msgspec.structs.replace(peer, forwarding=forwarding.believe if is_trusted else forwarding.doubt)
