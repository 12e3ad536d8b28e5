"""Writing response heads (RFC 9112 sections 4 and 5), safe against every control byte. Knows nothing of bodies or connections."""

import re
from http import HTTPStatus
from typing import Any, cast

from pagi.gateway.types import HeaderList
from pagi.http.errors import AppError
from pagi.server.wire.head_gate import MAX_LENGTH_DIGITS, TOKEN, members

MAX_REMEMBERED = 1024
"""Entries of each memory."""

MAX_REMEMBERED_VALUE_BYTES = 64

NAME = re.compile(TOKEN)
CONTROLS = bytes(code for code in (*range(32), 127) if code != 9)
"""Bytes that no value may hold."""

_CONTROL = re.compile(b"[" + re.escape(CONTROLS) + b"]")

_OURS = frozenset((b"transfer-encoding", b"connection", b"keep-alive", b"upgrade", b"content-length", b"date", b"server"))
"""Fields that the engine writes, or must know of. Never remembered, whatever their spelling."""

NOT_IN_TRAILERS = frozenset((b"transfer-encoding", b"content-length", b"connection", b"host", b"trailer", b"te", b"upgrade", b"set-cookie"))
"""Framing, routing and state may not come after the body (RFC 9110 section 6.5.1)."""

# Fields with few values in one application, none of them the client's to choose, so that whole lines are worth remembering.
# Secrets are not among them.
STEADY = frozenset(
    (
        b"content-type",
        b"cache-control",
        b"vary",
        b"content-encoding",
        b"accept-ranges",
        b"allow",
        b"access-control-allow-credentials",
        b"strict-transport-security",
        b"referrer-policy",
        b"x-accel-buffering",
        b"x-content-type-options",
        b"x-frame-options",
    )
)
LINES: dict[tuple[bytes, bytes], bytes] = {}
"""Checked lines by field, over the whole process."""

PREFIXES: dict[bytes, bytes] = {}
"""CRLF, lower-case name and colon by checked name, over the whole process."""

_LINES_11 = {status.value: f"HTTP/1.1 {status.value} {status.phrase}".encode() for status in HTTPStatus}
_LINES_10 = {status.value: f"HTTP/1.0 {status.value} {status.phrase}".encode() for status in HTTPStatus}
FINAL_LINES = {status: line for status, line in _LINES_11.items() if status >= 200}
"""Status lines of HTTP/1.1 by status, without the interim ones."""

LENGTH_TAILS = tuple(b"\r\ncontent-length: %d\r\n\r\n" % size for size in range(MAX_REMEMBERED))
"""Content-Length and the end of a head, for small bodies."""


class HeaderRefused(AppError):
    """A status, or the name or value of a field, may not go out: it could be read as something else than it is."""


class WrongContentLength(AppError):
    """The application's body is not as long as its Content-Length says."""

    def __init__(self, declared: int, actual: int) -> None:
        super().__init__(f"Content-Length says {declared} bytes, the body has {actual}; correct the field, or leave it out")
        self.declared = declared
        self.actual = actual


class StaticLines:
    """The fields that every answer carries, refreshed once a second by the server. Engines only read them.

    `lines` is `CRLF date: ... CRLF server: pagi`, without a closing CRLF.
    """

    __slots__ = ("lines",)

    def __init__(self, lines: bytes = b"") -> None:
        self.lines = lines


def status_line(status: object, *, modern: bool = True, informational: bool = False) -> bytes:
    """The first line of an answer; `modern` is HTTP/1.1, else 1.0. A status that HTTP does not name has no phrase.

    Raises:
        HeaderRefused: no integer, out of range, or a 1xx where a final status belongs (or the reverse).
    """
    if isinstance(status, bool) or not isinstance(status, int) or not 100 <= status <= 999:
        raise HeaderRefused(f"status must be an integer from 200 to 999, got {status!r}")
    if (status < 200) is not informational:
        raise HeaderRefused(f"status {status} is {'interim, it' if status < 200 else 'final, it'} cannot be sent here")
    return (_LINES_11 if modern else _LINES_10).get(status) or b"HTTP/1.%d %d " % (modern, status)


def head_parts(line: bytes, headers: HeaderList, common: bytes) -> tuple[list[bytes], int | None, bool]:
    """What a head is joined from, without its end; the Content-Length that `headers` declare; whether they ask to close.

    Content-Length itself, and what belongs to the connection, is left out: the engine writes those. `date` and `server` of the
    application take the place of those in `common`.

    Raises:
        HeaderRefused: a name or value that may not go out.
    """
    parts = [line, common]
    loose: list[bytes] = []
    declared: int | None = None
    closes = False
    try:
        for pair in headers:
            whole = LINES.get(pair)
            if whole is not None:
                parts.append(whole)
                continue
            name, value = pair
            prefix = PREFIXES.get(name)
            if prefix is not None:
                loose.append(prefix)
                loose.append(value)
                continue
            if name == b"content-length":
                declared = declared_length(value, declared)
                continue
            lower = name.lower()
            if lower in STEADY and len(value) <= MAX_REMEMBERED_VALUE_BYTES and len(LINES) < MAX_REMEMBERED:
                parts.append(_remember(name, value))
            elif lower not in _OURS:
                loose.append(_prefix(name))
                loose.append(value)
            elif lower == b"content-length":
                declared = declared_length(value, declared)
            elif lower == b"connection":
                closes = closes or b"close" in members([value])
            elif lower in (b"date", b"server"):
                loose.append(b"\r\n" + lower + b": ")
                loose.append(value)
                parts[1] = _without(parts[1], lower)
            elif lower == b"upgrade" and line[9:12] == b"426":
                # The one final answer that must carry it (RFC 9110 section 15.5.22).
                loose.append(b"\r\nupgrade: ")
                loose.append(value)
        if loose:
            joined = b"".join(loose)
            # Our own CR and LF are the only control bytes that may be in there: two for each field.
            if len(joined.translate(None, CONTROLS)) != len(joined) - len(loose):
                raise refusal(headers)
            parts.append(joined)
    except (TypeError, ValueError, AttributeError) as error:
        pairs = as_tuples(headers)
        if pairs is None:
            raise refusal(headers) from error
        return head_parts(line, pairs, common)
    return parts, declared, closes


def clean_trailers(trailers: HeaderList) -> HeaderList:
    """Trailer fields with their names in lower case.

    Raises:
        HeaderRefused: a name or value that may not go out, or not after a body.
    """
    clean: HeaderList = []
    for name, value in trailers:
        if not _is_clean(name, value):
            raise refusal(trailers)
        lower = name.lower()
        if lower in NOT_IN_TRAILERS:
            raise HeaderRefused(f"the field {lower.decode()} cannot be a trailer (RFC 9110 section 6.5.1); send it in the head")
        clean.append((lower, value))
    return clean


def trailer_lines(trailers: HeaderList) -> bytes:
    """Trailer fields, each with its closing CRLF. Raises as `clean_trailers`."""
    return b"".join([name + b": " + value + b"\r\n" for name, value in clean_trailers(trailers)])


def as_tuples(headers: object) -> HeaderList | None:
    """ASGI asks for iterables of two, and some applications send lists, which cannot be looked up whole. None: that is not it."""
    if not isinstance(headers, (list, tuple)):
        return None
    pairs = cast("list[object]", headers)
    if not any(isinstance(pair, list) for pair in pairs):
        return None
    return cast("HeaderList", [tuple(cast("list[object]", pair)) if isinstance(pair, list) else pair for pair in pairs])


def _prefix(name: bytes) -> bytes:
    """CRLF, lower-case name and colon; remembered, because applications send the same few names."""
    if NAME.fullmatch(name) is None:
        raise HeaderRefused(f"{name!r:.64} is no field name (RFC 9110 section 5.1)")
    lower = name.lower()
    prefix = b"\r\n" + lower + b": "
    # While there is room for their lines, steady names stay out, to be found there.
    if len(PREFIXES) < MAX_REMEMBERED and len(name) <= MAX_REMEMBERED_VALUE_BYTES and (lower not in STEADY or len(LINES) >= MAX_REMEMBERED):
        PREFIXES[name] = prefix
    return prefix


def _remember(name: bytes, value: bytes) -> bytes:
    if _CONTROL.search(value) is not None:
        raise refusal([(name, value)])
    line = LINES[name, value] = _prefix(name) + value
    return line


def declared_length(value: bytes, before: int | None) -> int:
    """What a Content-Length of the application says; `before` is what another one said.

    Raises:
        HeaderRefused: no number, or another number than before.
    """
    if value.__class__ is not bytes or not value.isdigit() or len(value) > MAX_LENGTH_DIGITS:
        raise HeaderRefused(f"content-length must be 1 to {MAX_LENGTH_DIGITS} digits in bytes, got {value!r:.64}")
    length = int(value)
    if before is not None and before != length:
        raise HeaderRefused(f"content-length is given twice, as {before} and as {length}")
    return length


def _without(common: bytes, name: bytes) -> bytes:
    """The common lines less one."""
    return b"".join(b"\r\n" + line for line in common.split(b"\r\n")[1:] if not line.startswith(name + b":"))


def _is_clean(name: object, value: object) -> bool:
    return isinstance(name, bytes) and isinstance(value, bytes) and NAME.fullmatch(name) is not None and _CONTROL.search(value) is None


def refusal(headers: object) -> HeaderRefused:
    """The error that names the field at fault. Its value is shown no further than 64 bytes: it may be long, or a secret."""
    for pair in cast("list[Any]", headers) if isinstance(headers, (list, tuple)) else []:
        try:
            name, value = pair
        except (TypeError, ValueError):
            return HeaderRefused(f"a header must be a pair of bytes, got {pair!r:.64}")
        if not isinstance(name, bytes) or not isinstance(value, bytes):
            return HeaderRefused(f"header {name!r:.64}: name and value must be bytes, got {type(name).__name__} and {type(value).__name__}")
        if not _is_clean(name, value):
            return HeaderRefused(f"header {name!r:.64} holds a control byte or is no field name; such bytes are refused, never rewritten")
    return HeaderRefused("headers must be a list of pairs of bytes")
