"""The access log: one line for each exchange, as text or as JSON, control bytes escaped."""

import logging
import time
from typing import Any

import msgspec

log = logging.getLogger("pagi.access")

_ESCAPES = {c: f"\\x{c:02x}" for c in [*range(32), 127, *range(128, 160)]} | {
    ord('"'): '\\"',
    ord("\\"): "\\\\",
    0x2028: "\\u2028",
    0x2029: "\\u2029",
}


def printable(text: str) -> str:
    r"""`text` with everything a terminal or a log reader could take for something else escaped.

    >>> printable('a"b\n')
    'a\\"b\\x0a'
    """
    return text.translate(_ESCAPES)


class Entry(msgspec.Struct, frozen=True, gc=False):
    """What one exchange left behind. `duration_ms` is from its head to its last byte."""

    time: str
    client: str | None
    kind: str
    method: str
    path: str
    http_version: str
    status: int
    bytes_sent: int
    duration_ms: float
    reason: str | None
    """Why it ended early; None after a clean end."""
    route: str | None
    """The pattern that matched, where the application says so (`scope["pagi.route"]`)."""
    request_id: str | None
    """The id that the application gave the exchange (`scope["pagi.request_id"]`)."""


class AccessLog:
    """Writes entries to the logger `pagi.access`, at level info."""

    def __init__(self, format: str = "text") -> None:
        self._render = _as_json if format == "json" else _as_text
        self._second = 0
        self._stamp = ""

    def record(
        self, scope: dict[str, Any], *, status: int, bytes_sent: int, seconds: float, reason: str | None, method: str | None = None
    ) -> None:
        """One exchange is over."""
        now = int(time.time())
        if now != self._second:
            self._second, self._stamp = now, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
        client = scope.get("client")
        query = scope["query_string"]
        entry = Entry(
            time=self._stamp,
            client=f"{client[0]}:{client[1]}" if client else None,
            kind=scope["type"],
            method=method or scope.get("method", "GET"),
            path=scope["raw_path"].decode("latin-1") + ("?" + query.decode("latin-1") if query else ""),
            http_version=scope["http_version"],
            status=status,
            bytes_sent=bytes_sent,
            duration_ms=round(seconds * 1000, 3),
            reason=reason,
            route=scope.get("pagi.route"),
            request_id=scope.get("pagi.request_id"),
        )
        log.info("%s", self._render(entry))

    def refused(self, client: str | None, status: int, detail: str) -> None:
        """A request that never became an exchange."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        entry = Entry(stamp, client, "refused", "-", "-", "-", status, 0, 0.0, detail, None, None)
        log.info("%s", self._render(entry))


def _as_json(entry: Entry) -> str:
    return msgspec.json.encode(entry).decode()


def _as_text(entry: Entry) -> str:
    tail = f" {entry.reason}" if entry.reason else ""
    route = f" [{printable(entry.route)}]" if entry.route else ""
    request_id = f" id={printable(entry.request_id)}" if entry.request_id else ""
    return (
        f'{entry.time} {entry.client or "unix"} {entry.kind} "{printable(entry.method)} {printable(entry.path)} HTTP/{entry.http_version}" '
        f"{entry.status} {entry.bytes_sent}B {entry.duration_ms:.1f}ms{printable(tail)}{route}{request_id}"
    )
