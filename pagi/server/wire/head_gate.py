"""The gate every request head passes (RFC 9112 sections 2 to 7): why one is refused, and what its fields mean. Knows no buffer."""

import re

from pagi.gateway.types import HeaderList
from pagi.http.errors import PeerError
from pagi.http.media_types import names_event_stream
from pagi.http.url import valid_host

TOKEN = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++"
VALUE = rb"[\t\x20-\x7e\x80-\xff]*+"
FIELD_LINE = re.compile(rb"(" + TOKEN + rb"):(" + VALUE + rb")")

_REQUEST_LINE = re.compile(rb"(" + TOKEN + rb") ([\x21-\x7e]+) HTTP/([0-9]\.[0-9])")
_ABSOLUTE = re.compile(rb"https?://([^/?]*)(.*)", re.IGNORECASE)
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_BLANKS = b" \t"

# A name or IPv4 address, perhaps with a port: a part of what `valid_host` takes, known in a quarter of its time.
_PLAIN_HOST = re.compile(rb"[A-Za-z0-9.\-]+(?::[0-9]{1,4})?")

MAX_LENGTH_DIGITS = 18
"""Digits of a Content-Length. Everything they can say fits a signed 64-bit number, whoever stands behind or before us."""


class RequestRefused(PeerError):
    """A request breaks the framing or a limit. `status` is what to answer, `detail` one sentence for the log and the answer."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class Fields:
    """What the fields of one head say, whatever its method and target. Shared between equal heads, so never changed."""

    __slots__ = ("chunked", "content_length", "expects_continue", "headers", "is_plain", "keep_alive", "names_events", "te", "tunnel")

    def __init__(
        self,
        headers: HeaderList,
        *,
        keep_alive: bool,
        content_length: int | None,
        chunked: bool = False,
        expects_continue: bool = False,
        tunnel: str | None = None,
        names_events: bool = False,
        te: bytes = b"",
    ) -> None:
        self.headers = headers
        self.keep_alive = keep_alive
        self.content_length = content_length
        self.chunked = chunked
        self.expects_continue = expects_continue
        self.tunnel = tunnel
        self.names_events = names_events
        self.te = te
        """The TE field as it came: whether trailers are welcome is asked only when there are some."""
        self.is_plain = keep_alive and content_length is None and not (chunked or expects_continue or tunnel or names_events)
        """A RequestHead of them has nothing but defaults."""

    def with_headers(self, headers: HeaderList) -> "Fields":
        """The same, of other fields that say nothing else about the message."""
        other = Fields.__new__(Fields)
        other.headers = headers
        other.chunked = self.chunked
        other.content_length = self.content_length
        other.expects_continue = self.expects_continue
        other.is_plain = self.is_plain
        other.keep_alive = self.keep_alive
        other.names_events = self.names_events
        other.te = self.te
        other.tunnel = self.tunnel
        return other


def members(values: list[bytes]) -> set[bytes]:
    """The members of a comma-separated field, lower-case, over all the lines it came in (RFC 9110 section 5.6.1)."""
    return {member for value in values for part in value.lower().split(b",") if (member := part.strip(_BLANKS))}


def check(head: bytes, max_fields: int) -> None:
    """Lets a head pass, given without its closing empty line, or refuses it.

    Raises:
        RequestRefused: 400, 417, 431, 501 or 505, with the reason.
    """
    request_line, *lines = head.split(b"\r\n")
    matched = _REQUEST_LINE.fullmatch(request_line)
    if matched is None:
        raise RequestRefused(400, f"malformed request line {shown(request_line)}")
    method, target, version = matched.groups()
    if version not in (b"1.0", b"1.1"):
        raise RequestRefused(505, f"HTTP/{version.decode()} is not spoken here, only HTTP/1.0 and HTTP/1.1")
    _check_target(method, target)
    if len(lines) > max_fields:
        raise RequestRefused(431, f"request has {len(lines)} fields, over {max_fields}; raise max_fields if such clients are welcome")
    values: dict[bytes, list[bytes]] = {}
    for line in lines:
        matched = FIELD_LINE.fullmatch(line)
        if matched is None:
            raise RequestRefused(400, fault_of_line(line))
        values.setdefault(matched[1].lower(), []).append(matched[2].strip(_BLANKS))
    hosts = values.get(b"host", [])
    if not hosts and version == b"1.1":
        # 400 "to any HTTP/1.1 request message that lacks a Host header field" (RFC 9112 section 3.2)
        raise RequestRefused(400, "an HTTP/1.1 request needs a Host field")
    check_hosts(hosts)
    _check_framing(values.get(b"content-length", []), values.get(b"transfer-encoding", []), version)
    check_expectations(values.get(b"expect", []))


def fault_of_line(line: bytes) -> str:
    """What is wrong with a line that is no field."""
    if line[:1] in (b" ", b"\t"):
        return "a field is folded over several lines (obs-fold), which is refused"
    if _CONTROL.search(line):
        return f"control byte in the field line {shown(line)}"
    name, colon, _ = line.partition(b":")
    if not colon:
        return f"field line without a colon: {shown(line)}"
    if name.rstrip(_BLANKS) != name:
        return f"blank before the colon of the field {shown(name)}"
    return f"{shown(name)} is no field name"


def _check_target(method: bytes, target: bytes) -> None:
    """RFC 9112 section 3.2."""
    if method == b"CONNECT":
        raise RequestRefused(501, "CONNECT is not served: this is no proxy")
    if b"#" in target:
        raise RequestRefused(400, "the request target contains a fragment")
    if target[:1] == b"/" or (target == b"*" and method == b"OPTIONS"):
        return
    absolute = _ABSOLUTE.fullmatch(target)
    if absolute is None:
        raise RequestRefused(400, f"the request target {shown(target)} is neither a path nor a whole URL")
    if not valid_host(absolute[1]):
        raise RequestRefused(400, f"the host {shown(absolute[1])} of the request target is not valid")


def is_host(host: bytes) -> bool:
    """A name or address, perhaps with a port."""
    return _PLAIN_HOST.fullmatch(host) is not None or valid_host(host)


def check_hosts(hosts: list[bytes]) -> None:
    """Refuses more than one Host, or a bad one (RFC 9112 section 3.2)."""
    if len(hosts) > 1:
        raise RequestRefused(400, f"the request has {len(hosts)} Host fields")
    if hosts and not is_host(hosts[0]):
        raise RequestRefused(400, f"the Host {shown(hosts[0])} is not valid")


def check_expectations(expectations: list[bytes]) -> None:
    """Refuses every expectation but one."""
    # "A server that receives an Expect field value containing a member other than 100-continue MAY respond with a 417"
    # (RFC 9110 section 10.1.1). We do: serving on would pretend that the expectation was met.
    if not members(expectations) <= {b"100-continue"}:
        raise RequestRefused(417, f"unknown expectation {shown(b', '.join(expectations))}")


def _check_framing(lengths: list[bytes], codings: list[bytes], version: bytes) -> None:
    """RFC 9112 section 6.3, and stricter: what two readers could take for two different lengths is refused."""
    if codings:
        if lengths:
            raise RequestRefused(400, "Transfer-Encoding and Content-Length exclude each other")
        if version == b"1.0":
            raise RequestRefused(400, "HTTP/1.0 has no Transfer-Encoding")
        if len(codings) > 1 or codings[0].lower() != b"chunked":
            raise RequestRefused(501, f"Transfer-Encoding must be exactly chunked, not {shown(b', '.join(codings))}")
    check_lengths(lengths)


def check_lengths(lengths: list[bytes]) -> None:
    """Refuses more than one Content-Length, or one that is no number of a sane size."""
    if len(lengths) > 1:
        raise RequestRefused(400, f"the request has {len(lengths)} Content-Length fields")
    if lengths and not (lengths[0].isdigit() and len(lengths[0]) <= MAX_LENGTH_DIGITS):
        raise RequestRefused(400, f"Content-Length must be 1 to {MAX_LENGTH_DIGITS} digits, not {shown(lengths[0])}")


def origin_form(method: bytes, target: bytes) -> tuple[bytes, bytes | None]:
    """The target reduced to origin form or `*`, and the authority that an absolute form named (RFC 9112 sections 3.2.2 and 3.2.4)."""
    if target[:1] in (b"/", b"*"):
        return target, None
    absolute = _ABSOLUTE.fullmatch(target)
    assert absolute is not None, "the gate lets nothing else pass"
    authority, rest = absolute.groups()
    if not rest and method == b"OPTIONS":
        return b"*", authority
    return (rest if rest[:1] == b"/" else b"/" + rest), authority


def one_cookie(headers: HeaderList, cookies: list[bytes]) -> HeaderList:
    """Several Cookie fields, of the given values, as one in the place of the first. Empty ones add nothing: no value ends in a blank."""
    if len(cookies) < 2:
        return headers
    place = next(at for at, (name, _) in enumerate(headers) if name == b"cookie")
    headers = [pair for pair in headers if pair[0] != b"cookie"]
    headers.insert(place, (b"cookie", b"; ".join(filter(None, cookies))))
    return headers


def meaning(headers: HeaderList, version: str) -> Fields:
    """What fields say that passed the gate."""
    values: dict[bytes, list[bytes]] = {}
    for name, value in headers:
        values.setdefault(name, []).append(value)
    headers = one_cookie(headers, values.get(b"cookie", []))
    options = members(values.get(b"connection", []))
    modern = version == "1.1"
    lengths = values.get(b"content-length")
    length = int(lengths[0]) if lengths else None
    chunked = b"transfer-encoding" in values
    # Any other protocol, as `h2c`, may be ignored (RFC 9110 section 7.8). The handshake judges the rest, the HTTP version too.
    upgrades = b"upgrade" in options and b"websocket" in members(values.get(b"upgrade", []))
    return Fields(
        headers,
        keep_alive=b"close" not in options and (modern or b"keep-alive" in options),
        content_length=length,
        chunked=chunked,
        # An expectation in an HTTP/1.0 request, or without a body, is to be ignored (RFC 9110 section 10.1.1).
        expects_continue=modern and b"expect" in values and (chunked or bool(length)),
        tunnel="websocket" if upgrades else None,
        names_events=names_event_stream(b", ".join(values.get(b"accept", []))),
        te=b", ".join(values.get(b"te", [])),
    )


def shown(value: bytes) -> str:
    """At most 64 bytes of what the peer sent, safe for a log line and a text answer."""
    return repr(value if len(value) <= 64 else value[:61] + b"...")[1:]
