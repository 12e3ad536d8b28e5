"""The gate every HTTP/2 request passes (RFC 9113 section 8): why one is refused, and what its fields mean. As strict as HTTP/1's."""

import re

import msgspec

from pagi.gateway.types import HeaderList
from pagi.http.media_types import names_event_stream
from pagi.server.options import HTTP1Options
from pagi.server.wire.head_gate import (
    VALUE,
    RequestRefused,
    check_expectations,
    check_hosts,
    check_lengths,
    is_host,
    one_cookie,
    shown,
)
from pagi.server.wire.http2_priority import read_priority
from pagi.server.wire.http2_settings import HTTP1_OVERHEAD

_LOWER_TOKEN = rb"[!#$%&'*+\-.^_`|~0-9a-z]++"
_ONE_FIELD = _LOWER_TOKEN + rb"\x00(?![ \t])" + VALUE + rb"(?<![ \t])"
# Names and values joined by what neither may hold: one pattern for all of them.
_FIELDS = re.compile(rb"(?:" + _ONE_FIELD + rb"(?:\n|\Z))*+")
_FIELD = re.compile(_ONE_FIELD)
_NAME = re.compile(_LOWER_TOKEN)
_METHOD = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++")
_TARGET = re.compile(rb"/[\x21\x22\x24-\x7e]*")

_PSEUDO = frozenset((b":method", b":scheme", b":authority", b":path", b":protocol"))
_OF_CONNECTIONS = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"))
_EVENTLESS = frozenset((b"HEAD", b"OPTIONS"))


class Fields(msgspec.Struct, frozen=True, gc=False):
    """What the fields of a head say, whatever its pseudo-headers. Shared between equal ones, so never changed."""

    given: HeaderList
    """As they came."""
    hosts: list[bytes]
    headers: HeaderList
    """Without Host where `:authority` takes its place, and with one Cookie."""
    content_length: int | None
    expects_continue: bool
    names_events: bool
    takes_trailers: bool
    urgency: int
    incremental: bool


class Meaning(msgspec.Struct, frozen=True, gc=False):
    """What the head of one request says, whatever follows it. Shared between equal heads, so never changed."""

    method: str
    target: bytes
    headers: HeaderList
    fields: Fields
    tunnel: str | None
    accepts_events: bool


def check_size(size: int, count: int, limits: HTTP1Options) -> None:
    """Refuses a head of `count` fields that is too large, as HTTP/1 would. `size` is their names and values together.

    Raises:
        RequestRefused: 431.
    """
    if size + HTTP1_OVERHEAD * count > limits.max_head_bytes:
        raise RequestRefused(431, f"request head is over {limits.max_head_bytes} bytes; raise max_head_bytes if such clients are welcome")


def split(fields: HeaderList) -> tuple[dict[bytes, bytes], HeaderList]:
    """The pseudo-headers, and the fields behind them (RFC 9113 section 8.3).

    Raises:
        RequestRefused: 400.
    """
    pseudo: dict[bytes, bytes] = {}
    for at, (name, value) in enumerate(fields):
        if name[:1] != b":":
            headers = fields[at:]
            break
        if name in pseudo or name not in _PSEUDO:
            raise RequestRefused(400, f"the pseudo-header {shown(name)} is {'repeated' if name in pseudo else 'unknown'}")
        pseudo[name] = value
    else:
        headers = []
    return pseudo, headers


def read_fields(headers: HeaderList, limits: HTTP1Options) -> Fields:
    """Lets the fields behind the pseudo-headers pass, or refuses them.

    Raises:
        RequestRefused: with 400 the head is malformed; 417 and 431 are answers.
    """
    if len(headers) > limits.max_fields:
        raise RequestRefused(
            431, f"request has {len(headers)} fields, over {limits.max_fields}; raise max_fields if such clients are welcome"
        )
    check_fields(headers)
    values: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        values.setdefault(name, []).append(value)
    hosts = values.get(b"host", [])
    check_hosts(hosts)
    lengths = values.get(b"content-length", [])
    check_lengths(lengths)
    if not _OF_CONNECTIONS.isdisjoint(values):
        raise RequestRefused(400, f"the field {shown(min(_OF_CONNECTIONS & values.keys()))} has no place in HTTP/2")
    te = values.get(b"te", [])
    if any(value.lower() != b"trailers" for value in te):
        raise RequestRefused(400, f"TE may only be trailers in HTTP/2, not {shown(b', '.join(te))}")
    check_expectations(values.get(b"expect", []))
    urgency, incremental = read_priority(b",".join(values.get(b"priority", [])))
    return Fields(
        headers,
        hosts,
        one_cookie([pair for pair in headers if pair[0] != b"host"] if hosts else headers, values.get(b"cookie", [])),
        int(lengths[0]) if lengths else None,
        b"expect" in values,
        b"accept" in values and names_event_stream(b", ".join(values[b"accept"])),
        bool(te),
        urgency,
        incremental,
    )


def read_head(pseudo: dict[bytes, bytes], fields: Fields) -> Meaning:
    """Lets a head pass whose fields have passed, or refuses it.

    Raises:
        RequestRefused: with 400 it is malformed, and no answer is due (RFC 9113 section 8.1.1); 501 is an answer.
    """
    method, target, authority = _request_line(pseudo)
    tunnel = _tunnel(pseudo.get(b":protocol")) if method == b"CONNECT" else None
    hosts = fields.hosts
    if authority is None:
        if not hosts:
            raise RequestRefused(400, "the request names no host, by :authority or by Host")
        authority = hosts[0]
    elif hosts and hosts[0].lower() != authority.lower():
        raise RequestRefused(400, f"the Host {shown(hosts[0])} is not the :authority {shown(authority)}")
    return Meaning(
        method.decode(),
        target,
        [(b"host", authority), *fields.headers],
        fields,
        tunnel,
        fields.names_events and method not in _EVENTLESS,
    )


def check_fields(fields: HeaderList) -> None:
    """Refuses names that are no lower-case tokens, and values with control bytes or with blanks around them (RFC 9113 section 8.2.1).

    Raises:
        RequestRefused: 400.
    """
    joined = b"\n".join([b"\0".join(pair) for pair in fields])
    # A name with one of the two bytes in it would look like two fields: then there are more of them than fields.
    if joined.count(b"\0") == len(fields) and joined.count(b"\n") == max(len(fields) - 1, 0) and _FIELDS.fullmatch(joined):
        return
    for name, value in fields:
        if not _NAME.fullmatch(name):
            raise RequestRefused(400, f"{shown(name)} is no field name in lower case")
        if not _FIELD.fullmatch(name + b"\0" + value):
            raise RequestRefused(400, f"the value of {shown(name)} holds a control byte or has blanks around it")
    raise AssertionError("fields that are good one by one are good together")


def check_trailers(fields: HeaderList, size: int, limits: HTTP1Options) -> None:
    """Refuses trailer fields as `check_fields` does, pseudo-headers among them (RFC 9113 section 8.1), and too many.

    Raises:
        RequestRefused: 400 or 431.
    """
    check_fields(fields)
    if len(fields) > limits.max_fields or size + HTTP1_OVERHEAD * len(fields) > limits.max_head_bytes:
        raise RequestRefused(431, f"{len(fields)} trailer fields of {size} bytes are over the limits of a head")


def _request_line(pseudo: dict[bytes, bytes]) -> tuple[bytes, bytes, bytes | None]:
    """Method, target and authority (RFC 9113 section 8.3.1)."""
    method = pseudo.get(b":method")
    if method is None or _METHOD.fullmatch(method) is None:
        raise RequestRefused(400, "the request has no :method" if method is None else f"{shown(method)} is no method")
    authority = pseudo.get(b":authority")
    if authority is not None and not is_host(authority):
        raise RequestRefused(400, f"the :authority {shown(authority)} is not valid")
    if b":protocol" in pseudo and method != b"CONNECT":
        raise RequestRefused(400, f":protocol belongs to CONNECT, not to {shown(method)}")
    target, scheme = pseudo.get(b":path"), pseudo.get(b":scheme")
    if method == b"CONNECT" and b":protocol" not in pseudo:
        # "The :scheme and :path pseudo-header fields MUST be omitted" (RFC 9113 section 8.5).
        if target is not None or scheme is not None or authority is None:
            raise RequestRefused(400, "CONNECT has an :authority, and neither :scheme nor :path")
        return method, b"*", authority
    if target is None or scheme is None:
        raise RequestRefused(400, f"the request has no {':path' if target is None else ':scheme'}")
    if scheme not in (b"http", b"https"):
        raise RequestRefused(400, f"the :scheme {shown(scheme)} is not http or https")
    if _TARGET.fullmatch(target) is None and not (target == b"*" and method == b"OPTIONS"):
        raise RequestRefused(400, f"the :path {shown(target)} is no path")
    return method, target, authority


def _tunnel(protocol: bytes | None) -> str:
    """RFC 8441 section 4."""
    if protocol is None:
        raise RequestRefused(501, "CONNECT is not served: this is no proxy")
    if protocol.lower() != b"websocket":
        raise RequestRefused(501, f"the protocol {shown(protocol)} is not served, only websocket")
    return "websocket"
