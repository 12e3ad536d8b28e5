"""Field blocks of requests, unpacked (RFC 7541): a short cut for the ordinary, hpack for all else. Knows no rule of HTTP."""

from hpack import Decoder, HPACKError
from hpack.exceptions import OversizedHeaderListError
from hpack.table import HeaderTable

from pagi.gateway.types import HeaderList
from pagi.server.wire.http2_faults import ConnectionFault
from pagi.server.wire.http2_frames import Code
from pagi.server.wire.http2_huffman import BadHuffmanCode, unpack
from pagi.server.wire.http2_settings import FIELD_OVERHEAD

_STATIC = HeaderTable.STATIC_TABLE
_STATIC_COUNT = len(_STATIC)

MAX_REMEMBERED = 1024
MAX_REMEMBERED_BYTES = 64
TEXTS: dict[bytes, bytes] = {}
"""Huffman codes and what they say, over the whole process: unpacking them is what costs most. No secrets are among them."""

MAX_OWN = 4
MAX_OWN_BYTES = 1024
"""Of secrets and long strings each connection remembers a few: a token often comes with every request."""

_SECRET = frozenset((b"cookie", b"authorization", b"proxy-authorization"))


class BlockReader:
    """Unpacks the blocks of one connection, which build on each other: every one must pass here, whatever becomes of its stream."""

    __slots__ = ("_limit", "_own", "_table", "_unusual", "changes", "size")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._unusual = Decoder(limit)
        self._table = self._unusual.header_table
        self._own: dict[bytes, bytes] = {}
        self.changes = 0
        """How often the table changed: while it stays, equal blocks say the same."""
        self.size = 0
        """Of the last list of fields, as HTTP/2 measures it."""

    def read(self, block: bytes) -> HeaderList:
        """The fields of a block, in order; the values are as they came.

        Raises:
            ConnectionFault: it cannot be unpacked, or outgrows the limit. What follows can then not be unpacked either.
        """
        fields: HeaderList = []
        dynamic = self._table.dynamic_entries
        at, end, size = 0, len(block), 0
        while at < end:
            first = block[at]
            if first > 0x80:
                index = first - 0x81
                if index < _STATIC_COUNT:
                    field = _STATIC[index]
                elif first < 0xFF and index - _STATIC_COUNT < len(dynamic):
                    field = dynamic[index - _STATIC_COUNT]
                else:
                    return self._read_unusual(block, at, fields, size)
                at += 1
            else:
                # Literals: 01 with a name of 6 bits, 0000 and 0001 with one of 4.
                start = at
                prefix = 0x3F if first >= 0x40 else 0x0F
                name_at = first & prefix
                at += 1
                if 0x20 <= first < 0x40 or first == 0x80:
                    at = -1
                elif name_at == prefix:
                    name_at, at = _long_number(block, at, end, prefix)
                if at < 0:
                    name = b""
                elif name_at == 0:
                    name, at = self._text(block, at, end, True)
                elif name_at <= _STATIC_COUNT:
                    name = _STATIC[name_at - 1][0]
                elif name_at - _STATIC_COUNT <= len(dynamic):
                    name = dynamic[name_at - _STATIC_COUNT - 1][0]
                else:
                    name = b""
                    at = -1
                if at > 0:
                    value, at = self._text(block, at, end, name not in _SECRET)
                else:
                    value = b""
                if at < 0:
                    return self._read_unusual(block, start, fields, size)
                field = (name, value)
                if first >= 0x40:
                    self._table.add(name, value)
                    self.changes += 1
            size += len(field[0]) + len(field[1]) + FIELD_OVERHEAD
            if size > self._limit:
                raise self._too_large()
            fields.append(field)
        self.size = size
        return fields

    def _text(self, block: bytes, at: int, end: int, is_public: bool) -> tuple[bytes, int]:
        """A string, and where it ends; -1 where hpack must look."""
        if at >= end:
            return b"", -1
        length = block[at]
        packed = length >= 0x80
        length &= 0x7F
        at += 1
        if length == 0x7F:
            length, at = _long_number(block, at, end, 0x7F)
        after = at + length
        if at < 0 or after > end:
            return b"", -1
        text = block[at:after]
        if not packed:
            return text, after
        is_public = is_public and length <= MAX_REMEMBERED_BYTES
        known = TEXTS if is_public else self._own
        said = known.get(text)
        if said is None:
            try:
                said = unpack(text)
            except BadHuffmanCode:
                return b"", -1
            if is_public or length <= MAX_OWN_BYTES:
                if len(known) >= (MAX_REMEMBERED if is_public else MAX_OWN):
                    known.clear()  # rather than keep what it was filled with at first
                known[text] = said
        return said, after

    def _read_unusual(self, block: bytes, at: int, fields: HeaderList, size: int) -> HeaderList:
        """The rest of a block, from the field at `at` on, by hpack."""
        if fields and block[at] & 0xE0 == 0x20:
            raise ConnectionFault(Code.COMPRESSION_ERROR, "a table size update behind a field")
        self.changes += 1
        self._unusual.max_header_list_size = self._limit - size
        try:
            rest = self._unusual.decode(block[at:], raw=True)
        except OversizedHeaderListError as error:
            raise self._too_large() from error
        except HPACKError as error:
            raise ConnectionFault(Code.COMPRESSION_ERROR, f"a field block cannot be unpacked: {error}") from error
        except (IndexError, ValueError) as error:  # hpack's own way to say that a block ends too soon
            raise ConnectionFault(Code.COMPRESSION_ERROR, "a field block cannot be unpacked: it ends too soon") from error
        for name, value in rest:
            size += len(name) + len(value) + FIELD_OVERHEAD
            fields.append((name, value))
        self.size = size
        return fields

    def _too_large(self) -> ConnectionFault:
        return ConnectionFault(
            Code.ENHANCE_YOUR_CALM,
            f"a request head unpacks to over {self._limit} bytes; raise h2_max_inflated_head_bytes if such clients are welcome",
            status=431,
        )


def _long_number(block: bytes, at: int, end: int, prefix: int) -> tuple[int, int]:
    """A number that its prefix does not hold (RFC 7541 section 5.1), and where it ends; -1 where hpack must look."""
    number = prefix
    for shift in (0, 7, 14):
        if at >= end:
            break
        byte = block[at]
        at += 1
        number += (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
    return 0, -1
