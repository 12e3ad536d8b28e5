"""How lines end: what a client may still send, what one too many is told, and why a line was lost."""

import socket
import struct
from contextlib import suppress
from typing import Any

from pagi.gateway.reasons import Reason

LINGER_SECONDS = 1.0
LINGER_BYTES = 4 * 1024 * 1024
"""What a client may still send after its last answer before it is cut off. Sockets buffer megabytes on the way, and the reset that
follows unread bytes overtakes that answer: with 256 KiB one deflate bomb in several hundred never read its 1009."""
SERVER_FULL = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nretry-after: 5\r\nconnection: close\r\n\r\n"
"""What a client gets when as many connections are open as may be. Nothing of it was read."""

_AT_ONCE = struct.pack("ii", 1, 0)
"""SO_LINGER: on, for no time at all."""


def forget_unsent(line: Any) -> None:
    """Makes the close of this socket a reset.

    A client that stopped reading is cut so. After an ordinary close the system would keep what it still has for that client, up to
    4 MiB on Linux, and go on offering it for minutes.
    """
    with suppress(OSError):
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)


def reason_of(error: BaseException | None) -> Reason:
    """Why a line was lost, from what the operating system said."""
    match error:
        case None | ConnectionResetError() | ConnectionAbortedError():
            return Reason.CLIENT_CLOSED
        case BrokenPipeError():
            return Reason.WRITE_ERROR
        case TimeoutError():
            return Reason.CLIENT_TIMEOUT
        case _:
            return Reason.READ_ERROR
