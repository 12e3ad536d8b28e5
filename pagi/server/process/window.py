"""What a process tells whoever looks in: through the control socket its reports as JSON, through the metrics' address as text. No I/O."""

import os
import socket
import struct
from collections.abc import Sequence
from enum import Enum

import msgspec

from pagi.server.figures import ProcessReport
from pagi.server.process.metrics import CONTENT_TYPE, exposition

MOST_ASKED_BYTES = 8 * 1024
"""A request longer than this is not meant for us."""
PATIENCE_SECONDS = 5.0
"""How long a visitor may take to ask, and to take the answer."""
METRICS_PATHS = (b"/metrics", b"/")

_PEERCRED = struct.Struct("3i")  # pid, uid, gid (unix(7), SO_PEERCRED)
_XUCRED = struct.Struct("2I")  # version, uid: what we need of it (sys/ucred.h of macOS)
_MACOS_LOCAL_PEERCRED = 1


class Window(Enum):
    """Where one can look in."""

    CONTROL = "control"
    METRICS = "metrics"


class Visitor:
    """One connection to a window: fed until it `has_asked`, then answered once."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._asked = b""
        self._is_over = False

    def feed(self, data: bytes) -> None:
        """Takes what the visitor sent; `b""` is the end of it."""
        self._asked += data
        self._is_over = self._is_over or not data or len(self._asked) > MOST_ASKED_BYTES

    @property
    def has_asked(self) -> bool:
        """There is something to answer, if only with nothing."""
        return self._is_over or (b"\n" in self._asked if self._window is Window.CONTROL else b"\r\n\r\n" in self._asked)

    def answer(self, reports: Sequence[ProcessReport]) -> bytes:
        """The answer, whole; the connection closes after it. Empty for what is no request."""
        if len(self._asked) > MOST_ASKED_BYTES:
            return b""
        return self._control(reports) if self._window is Window.CONTROL else self._metrics(reports)

    def _control(self, reports: Sequence[ProcessReport]) -> bytes:
        if self._asked.strip() != b"status":
            return b'{"error":"ask for: status"}\n' if self._asked.strip() else b""
        return msgspec.json.encode(reports) + b"\n"

    def _metrics(self, reports: Sequence[ProcessReport]) -> bytes:
        line = self._asked.partition(b"\r\n")[0].split(b" ")
        if len(line) != 3 or not line[2].startswith(b"HTTP/1."):
            return _answered(400, b"Bad Request", b"this is the address of metrics: GET /metrics\n") if self._asked else b""
        method, target = line[0], line[1].partition(b"?")[0]
        if method not in (b"GET", b"HEAD"):
            return _answered(405, b"Method Not Allowed", b"metrics are read by GET\n", allow=b"GET, HEAD")
        if target not in METRICS_PATHS:
            return _answered(404, b"Not Found", b"metrics are at /metrics\n")
        whole = _answered(200, b"OK", exposition(reports), content_type=CONTENT_TYPE)
        return whole if method == b"GET" else whole[: whole.index(b"\r\n\r\n") + 4]


def may_look(opened: socket.socket) -> bool:
    """Whether the process at the other end of a Unix socket is this user's, or the administrator's.

    The socket's mode says the same; but its folder may be open to others, and not every system asks the mode.
    """
    uid = _uid_of(opened)
    return uid is None or uid in (0, os.geteuid())


def _uid_of(opened: socket.socket) -> int | None:
    """None where the system does not tell."""
    if hasattr(socket, "SO_PEERCRED"):
        return int(_PEERCRED.unpack(opened.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEERCRED.size))[1])
    try:
        found = opened.getsockopt(0, _MACOS_LOCAL_PEERCRED, 128)
    except OSError:
        return None
    return int(_XUCRED.unpack_from(found)[1])


def _answered(status: int, reason: bytes, body: bytes, *, content_type: bytes = b"text/plain; charset=utf-8", allow: bytes = b"") -> bytes:
    more = b"allow: %b\r\n" % allow if allow else b""
    return b"HTTP/1.1 %d %b\r\ncontent-type: %b\r\ncontent-length: %d\r\ncache-control: no-store\r\nconnection: close\r\n%b\r\n%b" % (
        status,
        reason,
        content_type,
        len(body),
        more,
        body,
    )
