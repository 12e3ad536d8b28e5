"""The handshake of TLS: a connection's first words, before anybody speaks HTTP in it."""

import logging
import ssl

import msgspec

from pagi.gateway.reasons import Reason
from pagi.server.credentials import Credentials
from pagi.server.exchanges.scope import Peer
from pagi.server.exchanges.secured import Secured
from pagi.server.figures import OpenExchange
from pagi.server.opening import SILENT_SECONDS, open_connection
from pagi.server.runtime import Line
from pagi.server.service import Service
from pagi.server.transports.tls_line import RECORD_BYTES, TLSLine

log = logging.getLogger("pagi.server")

NOT_TLS = b"this port speaks HTTPS: ask for https://\n"
PLAIN_ANSWER = (
    b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(NOT_TLS)
) + NOT_TLS
"""What a client gets that speaks plain HTTP here. A handshake begins with byte 22, a request with a letter."""


class Handshake:
    """One connection until both sides speak TLS. Then the line goes to a `TLSLine`, and that to whoever speaks HTTP."""

    __slots__ = (
        "_began_at",
        "_credentials",
        "_has_begun",
        "_incoming",
        "_is_over",
        "_line",
        "_outgoing",
        "_peer",
        "_service",
        "_tls",
        "is_congested",
    )

    def __init__(self, service: Service, line: Line, peer: Peer, credentials: Credentials) -> None:
        self._service = service
        self._line = line
        self._peer = peer
        self._credentials = credentials
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = credentials.context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._began_at = service.runtime.now()
        self._has_begun = False
        self._is_over = False
        self.is_congested = False
        service.connections.add(self)

    # ---- what the transport tells

    def received(self, data: bytes) -> None:
        """Bytes arrived; `b""` is the end of input."""
        if self._is_over:
            return
        if not data:
            self._fail("the client left")
            return
        if not self._has_begun:
            self._has_begun = True
            if data[:1].isalpha():
                self._answer_plain()
                return
        rest = data
        while rest:
            # In pieces, as `TLSLine` does: an upload may follow at once.
            self._incoming.write(rest[:RECORD_BYTES])
            rest = rest[RECORD_BYTES:]
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                self._send()
            except ssl.SSLError as error:
                self._send()  # an alert, which says why
                self._fail(_reason(error))
                return
            else:
                self._send()
                self._succeed(rest)
                return

    def lost(self, reason: Reason) -> None:
        """The line is gone."""
        if not self._is_over:
            self._count("the client left")
        self._service.forget(self)

    def congested(self) -> None:
        self.is_congested = True

    def drained(self) -> None:
        self.is_congested = False

    # ---- what the process tells

    def sweep(self, now: float) -> None:
        """A handshake has to end some time; once the server closes, soon."""
        service = self._service
        limit = service.options.tls.tls_handshake_seconds
        if limit and now - self._began_at >= limit:
            self._cut(f"it took over {limit:g} s")
        elif service.closing_since is not None and now - service.closing_since >= SILENT_SECONDS:
            self._cut("the server closes")

    def begin_closing(self, deadline: float) -> None:
        """Its request may be next: what comes is answered, as the connection's last."""

    def look(self, now: float) -> list[OpenExchange]:
        """Nothing yet."""
        return []

    def cut(self) -> list[object]:
        """The deadline passed."""
        self._cut("the server ends")
        return []

    # ---- inside

    def _succeed(self, rest: bytes) -> None:
        """Both sides speak TLS now, and `rest` came after the last words of the handshake."""
        service, incoming = self._service, self._incoming
        self._is_over = True
        service.connections.discard(self)
        secured = Secured(self._tls, self._credentials)
        peer = msgspec.structs.replace(self._peer, scheme="https", tls=secured)
        line = TLSLine(self._line, service.runtime, self._tls, incoming, self._outgoing)
        self._line.hand_over(line)
        open_connection(service, line, peer, secured.protocol)
        if rest or incoming.pending:
            line.open_received(rest)  # the request came with the end of the handshake

    def _answer_plain(self) -> None:
        self._line.write([PLAIN_ANSWER])
        self._fail("it began with plain text")

    def _send(self) -> None:
        if self._outgoing.pending:
            self._line.write([self._outgoing.read()])

    def _fail(self, why: str) -> None:
        self._count(why)
        self._line.close(linger=True)

    def _cut(self, why: str) -> None:
        if not self._is_over:
            self._count(why)
        self._line.abort()

    def _count(self, why: str) -> None:
        self._is_over = True
        figures = self._service.figures
        if figures is not None:
            figures.accepted += 1
            figures.handshakes_failed += 1
        client = self._peer.client
        log.debug("%s: TLS handshake failed: %s", f"{client[0]}:{client[1]}" if client else "unix", why)


def begin(service: Service, line: Line, peer: Peer) -> None:
    """Gives a line that was just accepted to whoever speaks on it first: TLS, where the server does, else HTTP."""
    if service.keeper is None:
        open_connection(service, line, peer)
    elif service.turns_away():
        figures = service.figures
        if figures is not None:
            figures.accepted += 1
            figures.turned_away += 1
        line.close()  # without a handshake there is nothing to say it in
    else:
        line.hand_over(Handshake(service, line, peer, service.keeper.credentials))


def _reason(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the client's certificate: {error.verify_message}"
    return (error.reason or str(error)).replace("_", " ").lower()
