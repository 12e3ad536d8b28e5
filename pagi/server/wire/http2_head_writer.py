"""Heads and trailers of answers as field blocks (RFC 9113 section 8.3.2, RFC 7541). Each field has one coding, whatever went before.

Nothing is put into the client's table: so a block can be remembered, streams need no order, and nobody learns a secret from the length
of what a table saved (RFC 7541 section 7.1).
"""

from functools import lru_cache
from http import HTTPStatus

from hpack.hpack import encode_integer
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hpack.table import HeaderTable

from pagi.gateway.types import HeaderList
from pagi.server.wire.head_writer import (
    CONTROLS,
    MAX_REMEMBERED,
    MAX_REMEMBERED_VALUE_BYTES,
    NAME,
    STEADY,
    HeaderRefused,
    as_tuples,
    clean_trailers,
    declared_length,
    refusal,
    status_line,
)

NO_TABLE = b"\x20"
"""Tells the client that its table has no room: due after it made the table smaller (RFC 9113 section 4.3.1)."""

FIELDS: dict[tuple[bytes, bytes], bytes] = {}
"""Checked fields as they are coded, over the whole process: those with few values, none of them secret."""

NAMES: dict[bytes, bytes] = {}
"""What stands before the value, by checked name, over the whole process."""

# "An endpoint MUST NOT generate an HTTP/2 message containing connection-specific header fields" (RFC 9113 section 8.2.2). An
# application may give some, because it was written for HTTP/1.1.
_DROPPED = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"))
_OURS = _DROPPED | {b"content-length", b"date", b"server"}
_SECRET = frozenset((b"set-cookie", b"authorization", b"proxy-authorization", b"cookie"))
_BLANKS = b" \t"

_INDEXES: dict[bytes, int] = {}
for _index, _field in enumerate(HeaderTable.STATIC_TABLE, 1):
    _INDEXES.setdefault(_field[0], _index)
_HUFFMAN = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)

_PLAIN_LENGTHS = tuple(bytes(encode_integer(size, 7)) for size in range(MAX_REMEMBERED))


def _plain(text: bytes) -> bytes:
    """A string as it is. Shorter codes cost more time than they save bytes, where they cannot be remembered."""
    size = len(text)
    return (_PLAIN_LENGTHS[size] if size < MAX_REMEMBERED else bytes(encode_integer(size, 7))) + text


def _packed(text: bytes) -> bytes:
    """A string in the shorter of its two codings."""
    coded = _HUFFMAN.encode(text)
    if len(coded) >= len(text):
        return _plain(text)
    size = encode_integer(len(coded), 7)
    size[0] |= 0x80
    return bytes(size) + coded


def _before_value(lower: bytes) -> bytes:
    """A literal's beginning, with its name: never indexed for secrets, else without indexing (RFC 7541 section 6.2)."""
    index = _INDEXES.get(lower, 0)
    start = encode_integer(index, 4)
    if lower in _SECRET:
        start[0] |= 0x10
    return bytes(start) if index else bytes(start) + _packed(lower)


def _status_block(status: int) -> bytes:
    pair = (b":status", b"%d" % status)
    if pair in HeaderTable.STATIC_TABLE:
        return bytes((0x81 + HeaderTable.STATIC_TABLE.index(pair),))
    return _before_value(b":status") + _plain(pair[1])


_STATUSES = {status.value: _status_block(status.value) for status in HTTPStatus}
_FINAL_STATUSES = {status: block for status, block in _STATUSES.items() if status >= 200}
_BEFORE_LENGTH = _before_value(b"content-length")
_LENGTHS = tuple(_BEFORE_LENGTH + _plain(b"%d" % size) for size in range(MAX_REMEMBERED))


def length_field(size: int) -> bytes:
    """Content-Length."""
    return _LENGTHS[size] if size < MAX_REMEMBERED else _BEFORE_LENGTH + _plain(b"%d" % size)


def status_field(status: int, *, informational: bool = False) -> bytes:
    """`:status`, which begins a head.

    Raises:
        HeaderRefused: no integer, out of range, or a 1xx where a final status belongs (or the reverse).
    """
    if status.__class__ is int and not informational:
        known = _FINAL_STATUSES.get(status)
        if known is not None:
            return known
    status_line(status, informational=informational)
    return _STATUSES.get(status) or _status_block(status)


@lru_cache(maxsize=16)
def common_fields(lines: bytes, without: frozenset[bytes] = frozenset()) -> bytes:
    """The `lines` that every HTTP/1.1 answer carries, as a part of a block: coded once for each second of Date."""
    pairs = [line.split(b": ", 1) for line in lines.split(b"\r\n")[1:]]
    return b"".join([_before_value(name) + _packed(value) for name, value in pairs if name not in without])


def block_parts(first: bytes, headers: HeaderList, lines: bytes) -> tuple[list[bytes], int | None]:
    """What a head's block is joined from, and the Content-Length that `headers` declare. `first` is its status field.

    Content-Length itself, and what belongs to a connection, is left out. `date` and `server` of the application take the place of
    those in `lines`.

    Raises:
        HeaderRefused: a name or value that may not go out.
    """
    parts = [first, common_fields(lines) if lines else b""]
    values: list[bytes] = []
    declared: int | None = None
    given: frozenset[bytes] = frozenset()
    try:
        for pair in headers:
            whole = FIELDS.get(pair)
            if whole is not None:
                parts.append(whole)
                continue
            name, value = pair
            before = NAMES.get(name)
            if before is None:
                lower = name.lower()
                if lower == b"content-length":
                    declared = declared_length(value, declared)
                    continue
                if lower in _DROPPED:
                    continue
                if lower in (b"date", b"server"):
                    given |= {lower}
                elif lower in STEADY and len(value) <= MAX_REMEMBERED_VALUE_BYTES and len(FIELDS) < MAX_REMEMBERED:
                    parts.append(_remember(name, lower, value))
                    continue
                before = _name(name, lower)
            value = value.strip(_BLANKS)  # which may stand at neither end here (RFC 9113 section 8.2.1)
            values.append(value)
            parts.append(before)
            parts.append(_plain(value))
        if values:
            joined = b"".join(values)
            if len(joined.translate(None, CONTROLS)) != len(joined):
                raise refusal(headers)
    except (TypeError, ValueError, AttributeError) as error:
        pairs = as_tuples(headers)
        if pairs is None:
            raise refusal(headers) from error
        return block_parts(first, pairs, lines)
    if given:
        parts[1] = common_fields(lines, given)
    return parts, declared


def trailer_block(trailers: HeaderList) -> bytes:
    """Trailer fields.

    Raises:
        HeaderRefused: a name or value that may not go out, or not after a body.
    """
    return b"".join(
        [_before_value(name) + _plain(value.strip(_BLANKS)) for name, value in clean_trailers(trailers) if name not in _DROPPED]
    )


def _name(name: bytes, lower: bytes) -> bytes:
    """What stands before a value; remembered, because applications send the same few names."""
    if NAME.fullmatch(name) is None:
        raise HeaderRefused(f"{name!r:.64} is no field name (RFC 9110 section 5.1)")
    before = _before_value(lower)
    # While there is room for their fields, steady names stay out, to be found there.
    if (
        len(NAMES) < MAX_REMEMBERED
        and len(name) <= MAX_REMEMBERED_VALUE_BYTES
        and lower not in _OURS
        and (lower not in STEADY or len(FIELDS) >= MAX_REMEMBERED)
    ):
        NAMES[name] = before
    return before


def _remember(name: bytes, lower: bytes, value: bytes) -> bytes:
    if len(value.translate(None, CONTROLS)) != len(value):
        raise refusal([(name, value)])
    field = FIELDS[name, value] = _name(name, lower) + _packed(value.strip(_BLANKS))
    return field
