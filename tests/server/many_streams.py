"""A client with many streams on one HTTP/2 connection, on the h2 library, and every frame of the server's kept beside it."""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import anyio
import h2.config
import h2.connection
import h2.events
import h2.settings
from anyio.abc import ByteStream
from hyperframe.frame import Frame, GoAwayFrame

from tests.server.live import PATIENCE_SECONDS, Served

Fields = list[tuple[bytes, bytes]]


class Reply:
    """What came back on one stream so far."""

    def __init__(self) -> None:
        self.interim: list[Fields] = []
        self.headers: Fields = []
        self.body = b""
        self.trailers: Fields = []
        self.is_complete = False
        self.reset_code: int | None = None
        self.ended_at = 0.0

    @property
    def status(self) -> int:
        """0 before the head."""
        return int(dict(self.headers).get(b":status", b"0"))

    @property
    def is_over(self) -> bool:
        """Complete or reset."""
        return self.is_complete or self.reset_code is not None


class Client:
    """One connection. Windows open as data comes, but for the streams in `unread`."""

    def __init__(self, wire: ByteStream, *, window: int | None = None) -> None:
        self.replies: dict[int, Reply] = {}
        self.goaways: list[tuple[int, int]] = []
        """The last stream and the code of each GOAWAY."""
        self.unread: set[int] = set()
        self.has_ended = False
        self.codec = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding=None))
        self._wire = wire
        self._changed = anyio.Event()
        self._frames = b""
        self._turn = anyio.Lock()
        self.codec.initiate_connection()
        if window is not None:
            self.codec.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window})

    async def run(self) -> None:
        """Reads until the connection ends."""
        await self.flush()
        while True:
            try:
                data = await self._wire.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                break
            for event in self.codec.receive_data(self._without_goaway(data)):
                self._take(event)
            self._ring()
            await self.flush()
        self.has_ended = True
        self._ring()

    async def flush(self) -> None:
        """Sends what waits."""
        async with self._turn:
            while data := self.codec.data_to_send():
                try:
                    await self._wire.send(data)
                except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                    return  # the server closed: `run` sees it

    async def send_raw(self, data: bytes) -> None:
        """Sends frames that the library would not."""
        async with self._turn:
            await self._wire.send(data)

    async def ask(self, path: str = "/", method: str = "GET", *fields: tuple[bytes, bytes], ends: bool = True) -> int:
        """Opens a stream. Returns its id."""
        stream_id = self.codec.get_next_available_stream_id()
        self.replies[stream_id] = Reply()
        head = [(b":method", method.encode()), (b":scheme", b"http"), (b":authority", b"x"), (b":path", path.encode()), *fields]
        self.codec.send_headers(stream_id, head, end_stream=ends)
        await self.flush()
        return stream_id

    async def until(self, is_so: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> None:
        """Waits until `is_so()`, looking after each read."""
        with anyio.fail_after(seconds):
            while not is_so():
                await self._changed.wait()

    async def reply(self, stream_id: int) -> Reply:
        """The whole answer on a stream, or how it was reset."""
        reply = self.replies[stream_id]
        await self.until(lambda: reply.is_over or self.has_ended)
        assert reply.is_over, "the connection ended before the answer"
        return reply

    def _without_goaway(self, data: bytes) -> bytes:
        """h2 takes no frame after a GOAWAY, though open streams go on: it must not see one."""
        self._frames += data
        kept = b""
        while len(self._frames) >= 9 and len(self._frames) >= (size := 9 + int.from_bytes(self._frames[:3], "big")):
            raw, self._frames = self._frames[:size], self._frames[size:]
            frame, _ = Frame.parse_frame_header(memoryview(raw[:9]))
            if isinstance(frame, GoAwayFrame):
                frame.parse_body(memoryview(raw[9:]))
                self.goaways.append((frame.last_stream_id, frame.error_code))
            else:
                kept += raw
        return kept

    def _take(self, event: h2.events.Event) -> None:
        reply = self.replies.get(getattr(event, "stream_id", 0) or 0)
        if reply is None:
            return
        match event:
            case h2.events.InformationalResponseReceived():
                reply.interim.append(list(event.headers or ()))
            case h2.events.ResponseReceived():
                reply.headers = list(event.headers or ())
            case h2.events.DataReceived():
                reply.body += event.data or b""
                if event.stream_id not in self.unread:
                    self.codec.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id or 0)
            case h2.events.TrailersReceived():
                reply.trailers = list(event.headers or ())
            case h2.events.StreamEnded():
                reply.is_complete = True
                reply.ended_at = anyio.current_time()
            case h2.events.StreamReset():
                reply.reset_code = int(event.error_code or 0)
                reply.ended_at = anyio.current_time()
            case _:
                pass

    def _ring(self) -> None:
        changed, self._changed = self._changed, anyio.Event()
        changed.set()


@asynccontextmanager
async def connected(server: Served, *, window: int | None = None) -> AsyncGenerator[Client]:
    """A client of `server` that reads by itself. `window`: what each of its streams takes at first, in bytes."""
    async with await anyio.connect_tcp("127.0.0.1", server.port) as wire, anyio.create_task_group() as group:
        client = Client(wire, window=window)
        group.start_soon(client.run)
        yield client
        group.cancel_scope.cancel()
