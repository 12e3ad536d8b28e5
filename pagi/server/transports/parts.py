"""What leaves by hand: bytes and parts of files, written to a socket in order, as much as it takes. Knows no loop."""

import socket
from collections.abc import Sequence

from pagi.gateway.file_range import FileBroken, FileRange
from pagi.server.wire.engine import Part

_MORE: int = getattr(socket, "MSG_MORE", 0)
"""Linux: the rest follows at once, so no packet, and no reader's wake-up, for a head alone."""


def has_file(parts: Sequence[Part]) -> bool:
    """Some of it is to be read from a file."""
    return any(part.__class__ is FileRange for part in parts)


def send_parts(out: socket.socket, parts: list[Part]) -> None:
    """Sends what the socket takes now, which is then gone from `parts`.

    Behind a file that broke nothing can be right: it is dropped, with all that follows.

    Raises:
        OSError: the peer is gone.
    """
    try:
        while parts:
            part = parts[0]
            if isinstance(part, FileRange):
                part.send_to(out.fileno())
                if part.left:
                    continue
            else:
                taken = out.send(part, _MORE if len(parts) > 1 else 0)
                if taken < len(part):
                    parts[0] = part[taken:]
                    continue
            del parts[0]
    except BlockingIOError:
        return
    except FileBroken:
        parts.clear()
