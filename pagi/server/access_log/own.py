"""The two forms of the access log that are ours: a line for people, and one JSON object for programs."""

import re

import msgspec

from pagi.server.access_log.atoms import client, target
from pagi.server.access_log.ended import Ended
from pagi.server.access_log.escaping import printable
from pagi.server.access_log.moments import iso

# What JSON leaves as it is and a terminal or a line reader does not: DEL, C1, the two Unicode line ends.
_UNQUOTED = re.compile("[\x7f-\x9f\u2028\u2029]")


class Entry(msgspec.Struct, frozen=True, gc=False):
    """The members of the JSON form, in their order. `duration_ms` is from the exchange's head to its last byte."""

    time: str
    client: str | None
    """None on a Unix socket."""
    kind: str
    method: str
    path: str
    """With the query, as both were sent."""
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


_encode = msgspec.json.Encoder().encode


def as_text(ended: Ended) -> str:
    """`time client kind "request" status bytes duration`, then what there is of reason, `[route]` and `id=...`."""
    scope = ended.scope
    reason = f" {printable(ended.reason)}" if ended.reason else ""
    route = f" [{printable(route)}]" if (route := scope.get("pagi.route")) else ""
    request_id = f" id={printable(str(request_id))}" if (request_id := scope.get("pagi.request_id")) else ""
    return (
        f'{iso(ended.when)} {client(ended)} {ended.kind} "{printable(ended.method)} {target(ended)} HTTP/{scope["http_version"]}" '
        f"{ended.status} {ended.bytes_sent}B {ended.seconds * 1000:.1f}ms{reason}{route}{request_id}"
    )


def as_json(ended: Ended) -> str:
    """An `Entry`, on one line."""
    scope = ended.scope
    peer, request_id = scope.get("client"), scope.get("pagi.request_id")
    path, query = scope["raw_path"], scope["query_string"]
    line = _encode(
        Entry(
            time=iso(ended.when),
            client=f"{peer[0]}:{peer[1]}" if peer else None,
            kind=ended.kind,
            method=ended.method,
            path=(path + b"?" + query if query else path).decode("latin-1"),
            http_version=scope["http_version"],
            status=ended.status,
            bytes_sent=ended.bytes_sent,
            duration_ms=round(ended.seconds * 1000, 3),
            reason=ended.reason,
            route=scope.get("pagi.route"),
            request_id=None if request_id is None else str(request_id),
        )
    ).decode()
    return line if line.isprintable() else _UNQUOTED.sub(_escaped, line)


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
