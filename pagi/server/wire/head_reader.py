"""Reading a whole request head: a short cut for the ordinary, the gate and h11 for all else. Neither looks past the head's end."""

import re

import h11

from pagi.gateway.types import HeaderList
from pagi.http.media_types import names_event_stream
from pagi.server.wire.events import RequestHead
from pagi.server.wire.head_gate import MAX_LENGTH_DIGITS, TOKEN, VALUE, Fields, RequestRefused, check, is_host, meaning, origin_form
from pagi.server.wire.shared_fields import shared

# The two halves of one pattern. The value may not end in a blank: then nothing is left to strip, and the fields are cut by one
# `findall`. Possessive quantifiers (Python 3.11) keep it linear whatever comes.
_LINE = re.compile(rb"([A-Z]+) (/[\x21\x22\x24-\x7e]*) HTTP/1\.1")
_FIELDS = re.compile(rb"(?:\r\n" + TOKEN + rb":" + VALUE + rb"(?<![ \t]))++")
_ONE_FIELD = re.compile(TOKEN + rb":" + VALUE + rb"(?<![ \t])")
_ONE_VALUE = re.compile(VALUE + rb"(?<![ \t])")
_FIELD = re.compile(rb"\r\n([^:]++):[ \t]*+([^\r]*+)")

_METHODS = {name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY")}
_EXTRAORDINARY = frozenset((b"transfer-encoding", b"expect", b"upgrade"))
_JUDGED = frozenset((b"host:", b"content-length:", b"connection:", b"accept:", b"te:", b"transfer-encoding:", b"expect:", b"upgrade:"))
"""Fields that say something about the message itself. Where one of them changed, all are read anew."""
_EVENTLESS = frozenset(("HEAD", "OPTIONS"))

REMEMBERED_BYTES = 2048
"""A request line or fields longer than this are read anew each time: an idle connection should not keep them (performance.md, memory)."""


def ordinary_line(line: bytes) -> tuple[str, bytes] | None:
    """Method and target of an ordinary request line; None where the gate must look."""
    matched = _LINE.fullmatch(line)
    if matched is None:
        return None
    method = _METHODS.get(matched[1])
    return None if method is None else (method, matched[2])


def ordinary_fields(span: bytes, max_fields: int) -> Fields | None:
    """What ordinary fields of an HTTP/1.1 head say, each in `span` with its leading CRLF; None where the gate must look.

    Ordinary: no name twice, one valid Host, at most one Content-Length, and none of Transfer-Encoding, Expect and Upgrade. A
    Connection of exactly `keep-alive` or `close` is ordinary: every browser sends one.
    """
    if _FIELDS.fullmatch(span) is None:
        return None
    headers = [(name.lower(), value) for name, value in _FIELD.findall(span)]
    named = dict(headers)
    if len(named) != len(headers) or len(headers) > max_fields or not _EXTRAORDINARY.isdisjoint(named):
        return None
    host = named.get(b"host")
    if host is None or not is_host(host):
        return None
    length = named.get(b"content-length")
    if length is not None and not (length.isdigit() and len(length) <= MAX_LENGTH_DIGITS):
        return None
    keep_alive = True
    connection = named.get(b"connection")
    if connection is not None:
        connection = connection.lower()
        keep_alive = connection == b"keep-alive"
        if not keep_alive and connection != b"close":
            return None
    accept = named.get(b"accept")
    return Fields(
        headers,
        keep_alive=keep_alive,
        content_length=None if length is None else int(length),
        names_events=accept is not None and names_event_stream(accept),
        te=named.get(b"te", b""),
    )


def changed_fields(span: bytes, before: bytes, fields: Fields) -> Fields | None:
    """What the fields in `span` say, where they are those of `before`, read as `fields`, but for some values; None where they are not.

    Clients that keep a connection repeat their fields, but for a cookie or a referrer.
    """
    lines, lines_before = span[2:].split(b"\r\n"), before[2:].split(b"\r\n")
    if len(lines) != len(lines_before):
        return None
    headers = list(fields.headers)
    for at, (line, line_before) in enumerate(zip(lines, lines_before, strict=True)):
        if line == line_before:
            continue
        name = line_before[: line_before.find(b":") + 1]
        if not line.startswith(name) or name.lower() in _JUDGED or _ONE_FIELD.fullmatch(line) is None:
            return None
        headers[at] = headers[at][0], line[len(name) :].lstrip(b" \t")
    return fields.with_headers(headers)


class AllButOne:
    """The fields of two heads that differ by one value. The next head most often differs by that one too, as by a cookie."""

    __slots__ = ("_after", "_at", "_before")

    def __init__(self, before: bytes, at: int, after: bytes) -> None:
        self._before = before
        self._at = at
        self._after = after

    @classmethod
    def between(cls, span: bytes, other: bytes) -> "AllButOne | None":
        """What `span` shares with `other`, which `changed_fields` found to have the same names; None where more than one value differs."""
        lines = span.split(b"\r\n")
        changed = [at for at, (line, line_of_other) in enumerate(zip(lines, other.split(b"\r\n"), strict=True)) if line != line_of_other]
        if len(changed) != 1:
            return None
        at = changed[0]
        name = lines[at][: lines[at].find(b":") + 1]
        return cls(b"\r\n".join([*lines[:at], name]), at - 1, b"\r\n".join([b"", *lines[at + 1 :]]) if lines[at + 1 :] else b"")

    def read(self, span: bytes, fields: Fields) -> Fields | None:
        """What `span` says, where it is `fields` but for that value; None where it is not."""
        before, after = self._before, self._after
        end = len(span) - len(after)
        if end < len(before) or not span.startswith(before) or not span.endswith(after):
            return None
        value = span[len(before) : end]
        if _ONE_VALUE.fullmatch(value) is None:
            return None
        headers = list(fields.headers)
        headers[self._at] = headers[self._at][0], value.lstrip(b" \t")
        return fields.with_headers(headers)


def short_cut(head: bytes, max_fields: int) -> tuple[RequestHead, Fields] | None:
    """Reads an ordinary head, given without its closing empty line. It may refuse (None) what the gate lets pass, never the reverse."""
    line, _, _ = head.partition(b"\r\n")
    ordinary = ordinary_line(line)
    fields = None if ordinary is None else ordinary_fields(head[len(line) :], max_fields)
    if ordinary is None or fields is None:
        return None
    return _request_head(*ordinary, "1.1", fields), fields


def through_gate(head: bytes, max_fields: int) -> tuple[RequestHead, Fields]:
    """Reads any head by the gate and h11, given without its closing empty line.

    Raises:
        RequestRefused: the gate or h11 does not let it pass.
    """
    check(head, max_fields)
    # A fresh Connection per head is all public API, and keeps h11 from ever seeing a body.
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=len(head) + 4)
    try:
        connection.receive_data(head + b"\r\n\r\n")
        event = connection.next_event()
    except h11.RemoteProtocolError as error:
        raise RequestRefused(error.error_status_hint, str(error)) from error
    if not isinstance(event, h11.Request):
        raise RequestRefused(400, "the request head does not end where its empty line is")
    target, authority = origin_form(event.method, event.target)
    headers: HeaderList = list(event.headers)
    if authority is not None:
        # "the origin server MUST ignore the received Host header field (if any) and instead use the host information of the
        # request-target" (RFC 9112 section 3.2.2).
        headers = [(b"host", authority), *(pair for pair in headers if pair[0] != b"host")]
    version = event.http_version.decode()
    fields = meaning(headers, version)
    return _request_head(event.method.decode(), target, version, fields), fields


class HeadReader:
    """Reads one connection's heads, and remembers the last ordinary one: clients that keep a connection repeat their fields.

    A GET that asks for an event stream is not remembered: no other will follow soon, and thousands of streams lie idle.
    """

    __slots__ = ("_all_but_one", "_fields", "_line", "_max_fields", "_ordinary", "_span")

    def __init__(self, max_fields: int) -> None:
        self._max_fields = max_fields
        self.forget()

    def forget(self) -> None:
        """Frees the memory of the last head: this connection reads no more of them soon."""
        self._line = b""
        self._ordinary: tuple[str, bytes] | None = None
        self._span = b""
        self._fields: Fields | None = None
        self._all_but_one: AllButOne | None = None

    def read(self, data: bytes, start: int, end: int) -> tuple[RequestHead, Fields]:
        """The head in `data` from `start` to `end`, where its closing CRLF CRLF begins.

        Raises:
            RequestRefused: it is malformed, or over a limit.
        """
        line_end = data.find(b"\r\n", start, end)
        if line_end < 0:
            return through_gate(data[start:end], self._max_fields)
        line = data[start:line_end]
        ordinary = self._ordinary if line == self._line else ordinary_line(line)
        if ordinary is None:
            return through_gate(data[start:end], self._max_fields)
        fields = self._fields
        if fields is None or end - line_end != len(self._span) or not data.startswith(self._span, line_end):
            span = data[line_end:end]
            fields = self._repeated(span, fields) if fields is not None else None
            if fields is None:
                fields = ordinary_fields(span, self._max_fields)
            if fields is None:
                return through_gate(data[start:end], self._max_fields)
            if fields.names_events and ordinary[0] == "GET":
                self.forget()
                return _request_head(*ordinary, "1.1", fields), fields
            if len(span) <= REMEMBERED_BYTES:
                self._span = span
                self._fields = fields
        if len(line) <= REMEMBERED_BYTES:
            self._line = line
            self._ordinary = ordinary
        return _request_head(*ordinary, "1.1", fields), fields

    def _repeated(self, span: bytes, before: Fields) -> Fields | None:
        """What fields say that repeat those of the last head but for some values."""
        if self._all_but_one is not None:
            fields = self._all_but_one.read(span, before)
            if fields is not None:
                return fields
        fields = changed_fields(span, self._span, before)
        fits = fields is not None and len(span) <= REMEMBERED_BYTES
        self._all_but_one = AllButOne.between(span, self._span) if fits else None
        return fields


def _request_head(method: str, target: bytes, version: str, fields: Fields) -> RequestHead:
    if fields.is_plain:
        return RequestHead(method, target, version, list(fields.headers))  # arguments by keyword would double its cost
    length = fields.content_length
    lies_idle = fields.tunnel is not None or (fields.names_events and method == "GET")
    return RequestHead(
        method,
        target,
        version,
        shared(fields.headers) if lies_idle else list(fields.headers),
        keep_alive=fields.keep_alive,
        content_length=length,
        has_body=fields.chunked or bool(length),
        expects_continue=fields.expects_continue,
        tunnel=fields.tunnel,
        accepts_events=fields.names_events and method not in _EVENTLESS,
    )
