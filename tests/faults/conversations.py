"""What clients say, whole, in bytes: one conversation of each kind, to be broken off wherever one likes."""

import socket
from typing import NamedTuple

from tests.server.wire.client_frames import CONTINUATION, FIN, PING, TEXT, close, frame


class Conversation(NamedTuple):
    """A request and what follows its head."""

    head: bytes
    rest: bytes = b""

    @property
    def data(self) -> bytes:
        return self.head + self.rest


WEBSOCKET = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
)
CONVERSATIONS = {
    "plain": Conversation(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    "body": Conversation(b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n", b"b" * 20),
    "chunked": Conversation(
        b"POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"5\r\nhello\r\n3;ext=1\r\nabc\r\n0\r\nTrailer: x\r\n\r\n",
    ),
    "events": Conversation(b"GET / HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n"),
    "websocket": Conversation(
        WEBSOCKET,
        frame(FIN | TEXT, b"hello") + frame(FIN | PING, b"x") + frame(TEXT, b"he") + frame(CONTINUATION | FIN, b"llo") + close(1000),
    ),
}


def reset(client: socket.socket) -> None:
    """Ends the connection by a TCP reset."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    client.close()
