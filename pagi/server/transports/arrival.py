"""A connection whose proxy first says whom it speaks for: between being accepted and being a line, whatever the loop."""

import logging
import socket
from contextlib import suppress
from errno import ECONNABORTED

import anyio

from pagi.server.exchanges.scope import Peer, peer_of
from pagi.server.figures import OpenExchange
from pagi.server.opening import SILENT_SECONDS
from pagi.server.service import Service
from pagi.server.wire.proxy_protocol import MOST_HEADER_BYTES, Announcement, BadProxyHeader, read_proxy_header

log = logging.getLogger("pagi.server")


class Arrival:
    """Reads the PROXY header of an accepted socket, and not a byte more: what follows may be TLS.

    It counts as a connection for as long as that takes, so the deadlines of the process hold for it too.
    """

    __slots__ = ("_arrived_at", "_ended_by", "_service", "_socket")

    def __init__(self, service: Service, accepted: socket.socket) -> None:
        self._service = service
        self._socket = accepted
        self._arrived_at = service.runtime.now()
        self._ended_by: str | None = None
        """Why nothing more is awaited."""
        service.connections.add(self)

    async def peer(self) -> Peer | None:
        """The ends of the connection, as the proxy says them. None where it may say nothing, or said it wrongly: then it is closed.

        Where there is one, it is to become a line now, or `gone` is to be called.
        """
        try:
            peer = await self._announced()
        except BaseException:
            self._socket.close()
            self.gone()
            raise
        if peer is None:
            self._socket.close()
            self.gone()
        else:
            # Whoever waits for the last connection is not told of this: the line counts from now on.
            self._service.connections.discard(self)
        return peer

    def gone(self) -> None:
        """No line came of it."""
        self._service.forget(self)

    # ---- what the process tells

    def sweep(self, now: float) -> None:
        """A proxy speaks at once; it may take as long as a head."""
        service = self._service
        limit = service.options.timeouts.head_seconds
        if service.closing_since is not None and now - service.closing_since >= SILENT_SECONDS:
            self._end("was not there when the server closed")
        elif limit and now - self._arrived_at >= limit:
            self._end(f"took over {limit:g} s")

    def begin_closing(self, deadline: float) -> None:
        """Its request may be on its way: what comes is answered, as the connection's last."""

    def look(self, now: float) -> list[OpenExchange]:
        """Nothing yet."""
        return []

    def cut(self) -> list[object]:
        """The deadline passed."""
        self._end("was not there when the server closed")
        return []

    # ---- inside

    def _end(self, why: str) -> None:
        self._ended_by = why
        with suppress(OSError):  # the peer may have gone already
            self._socket.shutdown(socket.SHUT_RDWR)  # which wakes whoever waits for it to be readable

    async def _announced(self) -> Peer | None:
        accepted = self._socket
        try:
            peer = peer_of(accepted.getpeername(), accepted.getsockname())
        except OSError:
            return None  # it was reset before it was looked at
        name = f"{peer.client[0]}:{peer.client[1]}" if peer.client is not None else "unix"
        announcers = self._service.announcers
        if announcers is None or not announcers.has_peer(peer.client[0] if peer.client is not None else None):
            log.info("%s: closed unanswered: not among those who may send a PROXY header, which all have to", name)
            return None
        try:
            announcement = await self._read()
        except BadProxyHeader as error:
            log.info("%s: closed unanswered: its PROXY header %s", name, error)
            return None
        except OSError as error:
            log.debug("%s: gone before its PROXY header was whole: %s", name, error.strerror)
            return None
        if announcement.is_local:
            return peer
        return Peer(announcement.client, announcement.server or peer.server, peer.scheme, is_announced=True)

    async def _read(self) -> Announcement:
        accepted = self._socket
        held = b""
        while True:
            await anyio.wait_readable(accepted)
            if self._ended_by is not None:
                raise BadProxyHeader(self._ended_by)
            try:
                seen = accepted.recv(MOST_HEADER_BYTES, socket.MSG_PEEK)
            except BlockingIOError:
                continue
            if not seen:
                if not held:
                    raise ConnectionAbortedError(ECONNABORTED, "it said nothing")  # as who only looks whether somebody listens
                raise BadProxyHeader(f"ended after {len(held)} bytes")
            found = read_proxy_header(held + seen)
            # Only what belongs to the header is taken from the socket; as long as it is not whole, that is all there is.
            held += accepted.recv(len(seen) if found is None else found[1] - len(held))
            if found is not None:
                return found[0]
