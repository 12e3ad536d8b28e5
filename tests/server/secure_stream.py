"""A client of TLS on any byte stream, which can do what libraries hide: half-close, be cut, and send what is none."""

import socket
import ssl
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import anyio
from anyio.abc import ByteStream, SocketAttribute

RESETS = struct.pack("ii", 1, 0)
"""SO_LINGER of a socket that is reset when it is closed."""


class SecureStream(ByteStream):
    """A stream after its handshake. Like any, but that `send_eof` is a closing alert and leaves TCP open."""

    def __init__(self, below: ByteStream, context: ssl.SSLContext) -> None:
        self.below = below
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="127.0.0.1")
        self.was_cut = False
        """Input ended without a closing alert."""

    @classmethod
    async def wrap(cls, below: ByteStream, context: ssl.SSLContext) -> "SecureStream":
        """Shakes hands.

        Raises:
            ssl.SSLError: one of both refused.
            anyio.EndOfStream: the server left.
        """
        stream = cls(below, context)
        while True:
            try:
                stream.tls.do_handshake()
            except ssl.SSLWantReadError:
                await stream._flush()
                stream.incoming.write(await below.receive())
            else:
                await stream._flush()
                return stream

    async def receive(self, max_bytes: int = 65536) -> bytes:
        data = b""
        while not data:
            try:
                while len(data) < max_bytes and (more := self.tls.read(max_bytes - len(data))):
                    data += more
                if not data:
                    raise anyio.EndOfStream
            except ssl.SSLZeroReturnError:  # both sides have said their end
                if not data:
                    raise anyio.EndOfStream from None
            except ssl.SSLWantReadError:
                if not data:
                    await self._fetch()
        return data

    async def send(self, item: bytes) -> None:
        view = memoryview(item)
        while view:
            view = view[self.tls.write(view) :]
        await self._flush()

    async def send_eof(self) -> None:
        with suppress(ssl.SSLError):
            self.tls.unwrap()
        await self._flush()

    async def aclose(self) -> None:
        if not self._is_to_be_reset():
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                await self.send_eof()
        await self.below.aclose()

    def _is_to_be_reset(self) -> bool:
        """Closing the socket will reset it, so that nothing should be said before."""
        raw = self.below.extra(SocketAttribute.raw_socket, None)
        return raw is not None and raw.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8) == RESETS

    async def _fetch(self) -> None:
        try:
            self.incoming.write(await self.below.receive())
        except anyio.EndOfStream:
            self.was_cut = True
            raise

    async def _flush(self) -> None:
        if self.outgoing.pending:
            await self.below.send(self.outgoing.read())

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        attributes: Mapping[Any, Callable[[], Any]] = self.below.extra_attributes  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        return attributes
