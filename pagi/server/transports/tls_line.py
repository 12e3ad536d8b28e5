"""TLS on any line: bytes in, bytes out, through OpenSSL in memory. Knows no loop and no socket."""

import logging
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import cast

from pagi.gateway.reasons import Reason
from pagi.server.runtime import Line, Listener, Runtime
from pagi.server.transports.sealed_bytes import SealedBytes
from pagi.server.wire.engine import Part

log = logging.getLogger("pagi.server")

RECORD_BYTES = 16 * 1024
"""The most that one record holds (RFC 8446 section 5.1)."""
MOST_UNREAD_BYTES = 16 * 1024
"""What OpenSSL may say by itself to a peer that does not read it: each of these makes us answer, and costs the peer no more than us."""


class TLSLine:
    """A line inside another, from the handshake on: hears what that one has to tell, and writes to it.

    Nothing waits here but the beginning of a record that has not arrived whole: what is written is sealed and passed on at once,
    what arrives is opened and passed on at once. So the other line's marks, pauses and ends hold for this one.
    """

    sends_files = False
    """The operating system would send them unsealed."""

    __slots__ = (
        "_account", "_end_is_due", "_incoming", "_input_ended", "_is_closed", "_is_lost", "_is_paused", "_line", "_listener", "_outgoing",
        "_runtime", "_said_bytes", "_tls",
    )  # fmt: skip

    def __init__(self, line: Line, runtime: Runtime, tls: ssl.SSLObject, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO) -> None:
        self._line = line
        self._runtime = runtime
        self._tls = tls
        self._incoming = incoming
        self._outgoing = outgoing
        self._listener: Listener = cast(Listener, None)
        self._account = SealedBytes()
        self._said_bytes = 0
        """What OpenSSL said by itself since the other line was last seen empty."""
        self._is_paused = False
        self._input_ended = False
        self._end_is_due = False
        """The end of input came while reading was paused, and is still to be told."""
        self._is_closed = False
        self._is_lost = False

    # ---- what the other line tells (see `Listener`)

    @property
    def is_congested(self) -> bool:
        """Whoever listens was told `congested` and not yet `drained`."""
        return self._listener.is_congested

    def received(self, data: bytes) -> None:
        """Sealed bytes arrived. An end without a closing alert is an end like any other: HTTP knows by itself what is whole."""
        if self._is_closed:
            return
        if data:
            self.open_received(data)
        else:
            self._end_input(at_once=True)

    def open_received(self, sealed: bytes) -> None:
        """Passes on what is whole by now, of `sealed` and of what arrived before."""
        opened: list[bytes] = []
        ends = False
        broken: ssl.SSLError | None = None
        try:
            ends = self._open(sealed, opened)
        except ssl.SSLError as error:
            broken = error
        if self._outgoing.pending and broken is None:
            self._answer()
        if opened:
            self._listener.received(opened[0] if len(opened) == 1 else b"".join(opened))
        if broken is not None:
            self._break(broken)
        elif ends:
            self._end_input(at_once=not opened)

    def lost(self, reason: Reason) -> None:
        """The other line is gone."""
        self._is_closed = True
        if not self._is_lost:
            self._is_lost = True
            self._listener.lost(reason)

    def congested(self) -> None:
        """The other line's unsent bytes reached its high mark."""
        self._listener.congested()

    def drained(self) -> None:
        """They fell under its low mark."""
        self._listener.drained()

    # ---- what the connection asks (see `Line`)

    def hand_over(self, listener: Listener) -> None:
        self._listener = listener

    def write(self, parts: Sequence[Part]) -> None:
        if self._is_closed:
            return
        seal, take = self._tls.write, self._outgoing.read
        sealed: list[bytes] = []
        size = 0
        try:
            for part in cast(Sequence[bytes], parts):
                left = len(part)
                size += left
                rest: memoryview | bytes = part if left <= RECORD_BYTES else memoryview(part)
                while left:
                    # Given and taken record by record: OpenSSL keeps the room for as much as it was ever given, a megabyte for a megabyte.
                    taken = seal(rest if left <= RECORD_BYTES else rest[:RECORD_BYTES])
                    sealed.append(take())
                    left -= taken
                    if left:
                        rest = rest[taken:]
        except ssl.SSLError as error:
            log.debug("TLS cannot be written: %s", error)
            self.abort()
            return
        if sealed:
            self._pass_on(sealed, size)

    def buffered(self) -> int:
        return self._account.unsent(self._line.buffered())

    def pause_reading(self) -> None:
        self._is_paused = True
        self._line.pause_reading()

    def resume_reading(self) -> None:
        self._is_paused = False
        self._line.resume_reading()
        if self._end_is_due:
            self._runtime.soon(self._tell_end)  # not at once: whoever resumes is in the middle of something

    def when_sent(self, fn: Callable[[], None]) -> None:
        self._line.when_sent(fn)

    def close(self, *, linger: bool = False) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        with suppress(ssl.SSLError):
            self._tls.unwrap()  # our closing alert; the peer's own is not waited for
        self._say()
        self._line.close(linger=linger)

    def abort(self) -> None:
        self._is_closed = True
        self._line.abort()

    # ---- inside

    def _open(self, sealed: bytes, opened: list[bytes]) -> bool:
        """Adds what is whole by now to `opened`. Returns whether the peer said that it ends."""
        tls, incoming = self._tls, self._incoming
        rest: memoryview | bytes = sealed
        while True:
            # In pieces: OpenSSL keeps the room for as much as ever waited there.
            incoming.write(rest if len(rest) <= RECORD_BYTES else rest[:RECORD_BYTES])
            try:
                while data := tls.read(RECORD_BYTES):
                    opened.append(data)
                    # Where nothing is left it is not asked for: the refusal costs more than a small record.
                    if not incoming.pending and not tls.pending():
                        break
                else:
                    return True
            except ssl.SSLWantReadError:
                pass
            if len(rest) <= RECORD_BYTES:
                return False
            rest = memoryview(rest)[RECORD_BYTES:]

    def _pass_on(self, sealed: list[bytes], size: int) -> None:
        """Writes the records that `size` bytes became."""
        account = self._account
        account.wrote(size, len(sealed[0]) if len(sealed) == 1 else sum(map(len, sealed)))
        self._line.write(sealed)
        if account.is_long:
            account.unsent(self._line.buffered())

    def _say(self) -> None:
        """Writes what OpenSSL has to say by itself."""
        if self._outgoing.pending:
            self._pass_on([self._outgoing.read()], 0)

    def _answer(self) -> None:
        """Writes what OpenSSL has to say to what it read: its new keys, or that it takes no others."""
        if not self._line.buffered():
            self._said_bytes = 0
        self._said_bytes += self._outgoing.pending
        if self._said_bytes > MOST_UNREAD_BYTES:
            log.debug("TLS: the peer asks for answers and does not read them")
            self.abort()
        else:
            self._say()

    def _end_input(self, *, at_once: bool) -> None:
        """The end of input came; with the last bytes, if not `at_once`. Whoever they are for is to see them first."""
        if not self._input_ended:
            self._input_ended = True
            self._end_is_due = True
            if at_once:
                self._tell_end()
            else:
                self._runtime.soon(self._tell_end)

    def _tell_end(self) -> None:
        if self._end_is_due and not self._is_paused and not self._is_closed:
            self._end_is_due = False
            self._listener.received(b"")

    def _break(self, error: ssl.SSLError) -> None:
        """The peer sent what is no TLS, or was changed on its way. It is told, and nothing of it is believed any more."""
        log.debug("TLS broke: %s", error)
        if self._is_closed:
            return
        self._is_closed = self._is_lost = True
        self._say()
        self._line.close(linger=True)
        self._listener.lost(Reason.READ_ERROR)
