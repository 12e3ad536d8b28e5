"""HTTP/1.1 bytes for a server that is spoken to in HTTP/2: a client's proxy, so that one suite asks over both framings.

It is built on h2 and h11, not on our own code. What the test does not read is not read from the socket either, and no window opens
for it.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping
from http.client import responses
from typing import Any, cast

import anyio
import h2.config
import h2.connection
import h2.events
import h2.settings
import h11
from anyio.abc import ByteStream

HOP_BY_HOP = {b"connection", b"keep-alive", b"upgrade", b"transfer-encoding", b"host"}
GOAWAY = 7
MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
NO_BODY = {204, 304}


class DowngradedStream(ByteStream):
    """One connection. Requests go out one after another, each on a stream of its own."""

    def __init__(self, wire: ByteStream) -> None:
        self._wire = wire
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding=None))
        self._h2.initiate_connection()
        self._h2.update_settings({h2.settings.SettingCodes.ENABLE_PUSH: 0})
        self._asked = h11.Connection(h11.SERVER)
        self._stream_id = 0
        self._key: bytes | None = None
        """The handshake's, while the stream is or is to be a tunnel."""
        self._is_tunnel = False
        self._kept: list[bytes] = []
        """Bytes of the tunnel that wait for it to be granted."""
        self._framing = ""
        self._method = b""
        self._output = b""
        self._ended = False
        self._frames = b""
        self.goaway_code = 0
        """The error that the server ended the connection with."""

    @property
    def extra_attributes(self) -> Mapping[Any, Callable[[], Any]]:
        wire: Any = self._wire
        return cast("Mapping[Any, Callable[[], Any]]", wire.extra_attributes)

    # ---- the test's side

    async def send(self, item: bytes) -> None:
        """Takes HTTP/1.1 bytes of a client."""
        if self._key is not None:
            self._kept.append(item)
            await self._send_kept()
        else:
            self._asked.receive_data(item)
            await self._ask()
        await self._flush()

    async def receive(self, max_bytes: int = 65536) -> bytes:
        """Gives what a server would have answered over HTTP/1.1."""
        while not self._output:
            if self._ended:
                raise anyio.EndOfStream
            try:
                data = await self._wire.receive()
            except anyio.EndOfStream:
                self._ended = True
                continue
            for event in self._h2.receive_data(self._without_goaway(data)):
                self._take(event)
            await self._ask()
            await self._send_kept()
            await self._flush()
        data, self._output = self._output[:max_bytes], self._output[max_bytes:]
        return data

    async def send_eof(self) -> None:
        await self._wire.send_eof()

    async def aclose(self) -> None:
        await self._wire.aclose()

    # ---- requests

    async def _ask(self) -> None:
        while True:
            event = self._asked.next_event()
            if isinstance(event, h11.Request):
                self._begin(event)
            elif isinstance(event, h11.Data):
                await self._send_data(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                if self._key is None and not self._ended:
                    self._h2.end_stream(self._stream_id)
                self._kept.append(self._asked.trailing_data[0])
                return
            else:
                return

    def _begin(self, request: h11.Request) -> None:
        fields = list(request.headers)
        keys = [value for name, value in fields if name == b"sec-websocket-key"]
        self._key = keys[0] if keys else None
        self._method = request.method
        host = next((value for name, value in fields if name == b"host"), b"x")
        pseudo = [(b":method", b"CONNECT" if keys else request.method)]
        if keys:
            pseudo.append((b":protocol", b"websocket"))
        pseudo += [(b":scheme", b"http"), (b":authority", host), (b":path", request.target)]
        kept = [(name, value) for name, value in fields if name not in HOP_BY_HOP and name != b"sec-websocket-key"]
        self._stream_id = self._h2.get_next_available_stream_id()
        self._h2.send_headers(self._stream_id, [*pseudo, *kept])

    async def _send_kept(self) -> None:
        if self._is_tunnel:
            for data in self._kept:
                await self._send_data(data)
            self._kept.clear()

    async def _send_data(self, data: bytes) -> None:
        """Sends as the windows allow, and reads what opens them."""
        while data and not self._ended:
            room = self._h2.local_flow_control_window(self._stream_id)
            size = min(room, self._h2.max_outbound_frame_size, len(data))
            if not size:
                await self._flush()
                for event in self._h2.receive_data(self._without_goaway(await self._wire.receive())):
                    self._take(event)
                continue
            self._h2.send_data(self._stream_id, data[:size])
            data = data[size:]

    async def _flush(self) -> None:
        if data := self._h2.data_to_send():
            await self._wire.send(data)

    # ---- answers

    def _without_goaway(self, data: bytes) -> bytes:
        """h2 takes no frame after a GOAWAY, though the streams that are open go on (RFC 9113 section 6.8): it must not see one."""
        self._frames += data
        kept = b""
        while len(self._frames) >= 9 and len(self._frames) >= (size := 9 + int.from_bytes(self._frames[:3], "big")):
            frame, self._frames = self._frames[:size], self._frames[size:]
            if frame[3] != GOAWAY:
                kept += frame
            elif code := int.from_bytes(frame[13:17], "big"):
                self.goaway_code = code
        return kept

    def _take(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.ResponseReceived():
                self._head(list(event.headers or ()))
            case h2.events.InformationalResponseReceived():
                self._output += rendered(int(dict(event.headers or ())[b":status"]), list(event.headers or ()))
            case h2.events.DataReceived():
                data = event.data or b""
                self._output += b"%x\r\n%b\r\n" % (len(data), data) if self._framing == "chunked" and data else data
                self._h2.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id or 0)
            case h2.events.TrailersReceived():
                self._framing = "ended"
                self._output += b"0\r\n" + b"".join(b"%b: %b\r\n" % field for field in event.headers or ()) + b"\r\n"
            case h2.events.StreamEnded():
                self._end()
            case h2.events.StreamReset():
                self._ended = True
            case _:
                pass

    def _head(self, fields: list[tuple[bytes, bytes]]) -> None:
        status = int(dict(fields)[b":status"])
        if self._key is not None:
            if status == 200:
                accept = base64.b64encode(hashlib.sha1(self._key + MAGIC).digest())
                fields += [(b"upgrade", b"websocket"), (b"connection", b"Upgrade"), (b"sec-websocket-accept", accept)]
                self._is_tunnel, self._framing = True, "tunnel"
                self._output += rendered(101, fields)
                return
            self._key = None
        has_body = self._method != b"HEAD" and status not in NO_BODY
        self._framing = "sized" if not has_body or b"content-length" in dict(fields) else "chunked"
        if self._framing == "chunked":
            fields.append((b"transfer-encoding", b"chunked"))
        self._output += rendered(status, fields)

    def _end(self) -> None:
        if self._framing == "tunnel":
            self._ended = True
        elif self._framing == "chunked":
            self._output += b"0\r\n\r\n"
        waiting = self._asked.trailing_data[0]
        self._asked = h11.Connection(h11.SERVER)
        if waiting:
            self._asked.receive_data(waiting)
        self._kept.clear()


def rendered(status: int, fields: list[tuple[bytes, bytes]]) -> bytes:
    """A head as HTTP/1.1 writes it."""
    lines = b"".join(b"%b: %b\r\n" % field for field in fields if not field[0].startswith(b":"))
    return b"HTTP/1.1 %d %b\r\n%b\r\n" % (status, responses.get(status, "").encode(), lines)
