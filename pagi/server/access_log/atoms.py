"""The atoms of access log formats, as tables: `%h`, `%{Name}i`. The documentation's table is made from these."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from pagi.server.access_log.ended import Ended
from pagi.server.access_log.escaping import printable, shown
from pagi.server.access_log.moments import common, iso

Reader: TypeAlias = Callable[[Ended], object]
"""Reads one value of a line. What a client or an application chose comes out escaped."""


@dataclass(frozen=True, slots=True)
class Atom:
    """One atom: what it shows, in words, and how its value is read."""

    help: str
    read: Reader


def client(ended: Ended) -> str:
    """Address and port; `unix` on a Unix socket, `-` where they are unknown."""
    peer = ended.scope.get("client")
    return f"{printable(peer[0])}:{peer[1]}" if peer else _nobody(ended)


def target(ended: Ended) -> str:
    """Path and query, as they were sent."""
    scope = ended.scope
    query: bytes = scope["query_string"]
    return shown(scope["raw_path"] + b"?" + query if query else scope["raw_path"])


def _host(ended: Ended) -> str:
    peer = ended.scope.get("client")
    return printable(peer[0]) if peer else _nobody(ended)


def _nobody(ended: Ended) -> str:
    return "-" if "client" in ended.scope else "unix"


def _query(ended: Ended) -> str:
    query: bytes = ended.scope["query_string"]
    return f"?{shown(query)}" if query else ""


def _server(ended: Ended, part: int) -> object:
    server = ended.scope.get("server")
    return server[part] if server and server[part] is not None else "-"


def _value(ended: Ended, key: str) -> str:
    value = ended.scope.get(key)
    return printable(str(value)) if value else "-"


ATOMS: Mapping[str, Atom] = {
    "h": Atom("the client's address; `unix` on a Unix socket, `-` where it is unknown", _host),
    "l": Atom("`-`: nobody asks identd any more", lambda ended: "-"),
    "u": Atom("`-`: who the user is, the application knows", lambda ended: "-"),
    "t": Atom("the time in UTC, `10/Feb/2026:12:34:56 +0000`, without brackets", lambda ended: common(ended.when)),
    "r": Atom(
        "method, target and version: `GET /path?query HTTP/1.1`",
        lambda ended: f"{printable(ended.method)} {target(ended)} HTTP/{ended.scope['http_version']}",
    ),
    "m": Atom("the method", lambda ended: printable(ended.method)),
    "U": Atom("the path as it was sent, without the query", lambda ended: shown(ended.scope["raw_path"])),
    "q": Atom("`?` and the query; nothing without one", _query),
    "H": Atom("the version: `HTTP/1.1`", lambda ended: f"HTTP/{ended.scope['http_version']}"),
    "s": Atom("the status; 101 for a WebSocket", lambda ended: ended.status),
    "b": Atom("bytes of the body, without its framing; `-` for none", lambda ended: ended.bytes_sent or "-"),
    "B": Atom("the same; `0` for none", lambda ended: ended.bytes_sent),
    "d": Atom("seconds from the head to the last byte, with 3 decimals", lambda ended: f"{ended.seconds:.3f}"),
    "D": Atom("the same in whole microseconds", lambda ended: int(ended.seconds * 1_000_000)),
    "T": Atom("the same in whole seconds", lambda ended: int(ended.seconds)),
    "p": Atom("the port it came in at; `-` on a Unix socket", lambda ended: _server(ended, 1)),
    "P": Atom("the id of the process", lambda ended: os.getpid()),
}
"""What a letter alone stands for. Letters are Apache's where it has one for the thing."""

NAMED: Mapping[str, Atom] = {
    "kind": Atom("`http`, `websocket`, `sse`, or `refused` for what never became an exchange", lambda ended: ended.kind),
    "reason": Atom("why it ended early, such as `client_closed`; `-` after a clean end", lambda ended: _or_dash(ended.reason)),
    "route": Atom("the pattern that matched, where the application says so; `-` otherwise", lambda ended: _value(ended, "pagi.route")),
    "request_id": Atom("the id that the middleware `RequestId` gave it; `-` without", lambda ended: _value(ended, "pagi.request_id")),
    "client": Atom("address and port of the client", client),
    "scheme": Atom("`http`, `https`, `ws` or `wss`", lambda ended: _value(ended, "scheme")),
    "time": Atom("the time in UTC, `2026-02-10T12:34:56Z`", lambda ended: iso(ended.when)),
    "ms": Atom("milliseconds from the head to the last byte, with one decimal", lambda ended: f"{ended.seconds * 1000:.1f}"),
}
"""What a word stands for in `%{word}x`."""


def _or_dash(text: str | None) -> str:
    return printable(text) if text else "-"


def request_field(name: str) -> Reader:
    """Reads the first field of that name that the client sent."""
    wanted = name.lower().encode("latin-1")

    def read(ended: Ended) -> str:
        for known, value in ended.scope["headers"]:
            if known == wanted:
                return shown(value)
        return "-"

    return read


def answer_field(name: str) -> Reader:
    """Reads the first field of that name that the application sent. What the server added to them is not there."""
    wanted = name.lower().encode("latin-1")

    def read(ended: Ended) -> str:
        for known, value in ended.headers:
            if known == wanted or known.lower() == wanted:
                return shown(value)
        return "-"

    return read
