"""A server on a free port, and a client that speaks in raw bytes: what every test of the whole server stands on."""

import socket
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import h11
import wsproto
from anyio.abc import ByteStream, SocketAttribute
from wsproto.events import AcceptConnection, RejectConnection, RejectData
from wsproto.events import Request as HandshakeRequest

from pagi.gateway.types import AnyApp
from pagi.server import Server
from tests.server.downgrade import DowngradedStream
from tests.server.secure_stream import SecureStream

PATIENCE_SECONDS = 30.0
"""How long a peer waits for what must come at once."""

SPOKEN: str = "HTTP/1.1"
"""What clients speak to the server; the fixture `framing` sets it."""

GRANTED = {"HTTP/1.1": "101", "HTTP/2": "200"}
"""The status that opens a WebSocket, by framing."""

OPENS = {"HTTP/1.1": "GET", "HTTP/2": "CONNECT"}
"""The method that asks for it."""

ALL_SECURE: list[tuple[dict[str, Any], ssl.SSLContext]] = []
"""The options of every server and the context of every client, where a test is to run under TLS that knows nothing of it."""

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Reply:
    """One answer, read by a library that is not ours."""

    def __init__(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        self.status = status
        self.headers = headers
        self.body = b""
        self.trailers: list[tuple[bytes, bytes]] = []
        self.interim: list[tuple[int, list[tuple[bytes, bytes]]]] = []
        """The 1xx heads that came before."""

    def header(self, name: bytes) -> bytes | None:
        """The value of a field that stands at most once."""
        values = [value for known, value in self.headers if known == name]
        assert len(values) <= 1, values
        return values[0] if values else None


class Peer:
    """One TCP client. Every read fails loudly rather than hang."""

    def __init__(self, stream: ByteStream) -> None:
        self.stream = stream
        self.unread = b""

    async def send(self, data: bytes) -> None:
        """Sends raw bytes."""
        with anyio.fail_after(PATIENCE_SECONDS):
            await self.stream.send(data)

    async def end_input(self) -> None:
        """Half-closes: nothing more comes from here."""
        await self.stream.send_eof()

    async def reset(self) -> None:
        """Ends the connection by a TCP reset."""
        raw = self.stream.extra(SocketAttribute.raw_socket)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
        await self.stream.aclose()

    async def more(self) -> bytes:
        """Whatever comes next; `b""` at the end of input."""
        if self.unread:
            data, self.unread = self.unread, b""
            return data
        with anyio.fail_after(PATIENCE_SECONDS):
            try:
                return await self.stream.receive()
            except anyio.EndOfStream:
                return b""

    async def until(self, mark: bytes) -> bytes:
        """Everything up to and with `mark`."""
        data = b""
        while mark not in data:
            more = await self.more()
            assert more, f"the connection ended before {mark!r}: {data!r}"
            data += more
        at = data.index(mark) + len(mark)
        self.unread = data[at:]
        return data[:at]

    async def rest(self) -> bytes:
        """Everything up to the end of the connection, orderly or by a reset."""
        data = b""
        try:
            while more := await self.more():
                data += more
        except anyio.BrokenResourceError:
            pass
        return data

    async def reply(self, method: str = "GET") -> Reply:
        """The next answer, as h11 reads it."""
        reader = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
        reader.send(h11.Request(method=method, target="/", headers=[("Host", "x"), ("Content-Length", "0")]))
        reader.send(h11.EndOfMessage())
        interim: list[tuple[int, list[tuple[bytes, bytes]]]] = []
        found: Reply | None = None
        body = bytearray()
        while True:
            event = reader.next_event()
            if event is h11.NEED_DATA:
                reader.receive_data(await self.more())
            elif isinstance(event, h11.InformationalResponse):
                interim.append((event.status_code, list(event.headers)))
            elif isinstance(event, h11.Response):
                found = Reply(event.status_code, list(event.headers))
                found.interim = interim
            elif isinstance(event, h11.Data):
                assert found is not None
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                assert found is not None
                found.body = bytes(body)
                found.trailers = list(event.headers)
                self.unread = reader.trailing_data[0] + self.unread
                return found
            else:
                raise AssertionError(f"no answer came: {event!r}")

    async def ask(self, request: bytes = GET, method: str = "GET") -> Reply:
        """Sends a request and reads its answer."""
        await self.send(request)
        return await self.reply(method)

    async def is_open(self) -> bool:
        """Whether the connection still answers."""
        try:
            return (await self.ask()).status > 0
        except (AssertionError, anyio.BrokenResourceError, h11.RemoteProtocolError):
            return False


class Session:
    """A WebSocket client over wsproto, which answers pings and Closes only when told to."""

    def __init__(self, peer: Peer, protocol: wsproto.WSConnection) -> None:
        self.peer = peer
        self.protocol = protocol

    async def send(self, event: wsproto.events.Event) -> None:
        """Sends one event."""
        await self.peer.send(self.protocol.send(event))

    async def next(self) -> wsproto.events.Event:
        """The next event of the server."""
        while True:
            for event in self.protocol.events():
                return event
            data = await self.peer.more()
            self.protocol.receive_data(data or None)


class Served:
    """A server that listens, and its clients."""

    def __init__(self, server: Server, port: int, context: ssl.SSLContext | None = None) -> None:
        self.server = server
        self.port = port
        self.context = context
        """How clients speak TLS; None where they do not."""

    @asynccontextmanager
    async def peer(self) -> AsyncGenerator[Peer]:
        """A connected client."""
        stream = await anyio.connect_tcp("127.0.0.1", self.port)
        async with stream:
            if self.context is None:
                yield self._peer(stream)
                return
            if SPOKEN == "HTTP/2":
                self.context.set_alpn_protocols(["h2"])
            with anyio.fail_after(PATIENCE_SECONDS):
                secure = await SecureStream.wrap(stream, self.context)
            async with secure:
                yield self._peer(secure)

    def _peer(self, stream: ByteStream) -> Peer:
        return Peer(DowngradedStream(stream) if SPOKEN == "HTTP/2" else stream)

    @asynccontextmanager
    async def websocket(self, **terms: Any) -> AsyncGenerator[Session]:
        """A WebSocket whose handshake was accepted."""
        async with self.peer() as peer:
            yield await handshake(peer, **terms)

    async def ask(self, request: bytes = GET, method: str = "GET") -> Reply:
        """One request on a connection of its own."""
        async with self.peer() as peer:
            return await peer.ask(request, method)

    async def answer_to(self, data: bytes) -> bytes:
        """All the bytes that come back for these, up to the end of the connection."""
        async with self.peer() as peer:
            await peer.send(data)
            return await peer.rest()


async def handshake(peer: Peer, **terms: Any) -> Session:
    """Opens a WebSocket on a fresh connection; `terms` are those of wsproto's Request."""
    protocol = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
    session = Session(peer, protocol)
    await session.send(HandshakeRequest(host="x", target="/", **terms))
    event = await session.next()
    if isinstance(event, RejectConnection):
        body = await session.next()
        raise HandshakeDenied(event.status_code, bytes(body.data) if isinstance(body, RejectData) else b"")
    assert isinstance(event, AcceptConnection), event
    return session


class HandshakeDenied(Exception):
    """The server answered a handshake with an ordinary response."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"{status}: {body!r}")
        self.status = status
        self.body = body


@asynccontextmanager
async def served(app: AnyApp, *, client: ssl.SSLContext | None = None, **options: Any) -> AsyncGenerator[Served]:
    """Serves `app` on a free port, without a lifespan unless one is asked for; ends what is still open by force.

    With `client` the server's clients speak TLS.
    """
    if ALL_SECURE:
        ours, client = ALL_SECURE[0]
        options = {**ours, **options}
    where = {} if options.keys() & {"bind", "uds", "fd"} else {"port": 0}
    server = Server(app, **{**where, "lifespan": "off", **options})
    try:
        async with anyio.create_task_group() as group:
            port = await group.start(server.serve)
            try:
                yield Served(server, port or 0, client)
            finally:
                server.shutdown(force=True)
                group.cancel_scope.deadline = anyio.current_time() + PATIENCE_SECONDS
    except BaseExceptionGroup as errors:
        # One failure is the test's own: shown bare, it reads better.
        if len(errors.exceptions) == 1:
            raise errors.exceptions[0] from None
        raise
    assert not group.cancel_scope.cancelled_caught, "the server did not end, though it was forced to"


async def eventually(is_so: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
    """Waits until `is_so()`, and fails when it never is."""
    with anyio.fail_after(seconds):
        while not is_so():
            await anyio.sleep(0.005)
