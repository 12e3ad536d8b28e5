"""Reading the heads of one HTTP/2 connection: unpacked, let through the gate, and remembered while equal blocks say the same."""

from pagi.gateway.types import HeaderList
from pagi.server.options import HTTP1Options
from pagi.server.wire.head_gate import RequestRefused
from pagi.server.wire.http2_head_gate import Fields, Meaning, check_size, check_trailers, read_fields, read_head, split
from pagi.server.wire.http2_hpack_reader import BlockReader
from pagi.server.wire.http2_settings import FIELD_OVERHEAD

REMEMBERED_LIST_BYTES = 4096
"""Longer lists of fields are judged anew each time: an idle connection should not keep them."""

MAX_REMEMBERED = 8
REMEMBERED_BYTES = 512
"""Blocks that one connection keeps, and how long they may be. Most clients ask with a block of a few bytes once their table is filled."""

_HEAD = (b":method", b"HEAD")


class HTTP2HeadReader:
    """Reads a connection's field blocks, in the order they came."""

    __slots__ = ("_blocks", "_changes", "_fields", "_limits", "_read", "refused_head")

    def __init__(self, limits: HTTP1Options, max_inflated_bytes: int) -> None:
        self._limits = limits
        self._blocks = BlockReader(max_inflated_bytes)
        self._read: dict[bytes, Meaning] = {}
        self._fields: Fields | None = None
        self._changes = 0
        self.refused_head = False
        """The request refused last was HEAD: its answer has no body either."""

    def read(self, block: bytes) -> Meaning:
        """The head of a request.

        Raises:
            ConnectionFault: the block cannot be unpacked.
            RequestRefused: the gate does not let it pass.
        """
        known = self._read.get(block)
        if known is not None:
            return known
        blocks = self._blocks
        fields = blocks.read(block)
        # A block that changed the table says something else the next time, and so may every other.
        is_lasting = blocks.changes == self._changes
        if not is_lasting:
            self._changes = blocks.changes
            self._read.clear()
        try:
            check_size(blocks.size - FIELD_OVERHEAD * len(fields), len(fields), self._limits)
            meaning = self._judge(fields)
        except RequestRefused:
            self.refused_head = _HEAD in fields
            raise
        if is_lasting and len(block) <= REMEMBERED_BYTES:
            if len(self._read) >= MAX_REMEMBERED:
                self._read.clear()
            self._read[block] = meaning
        return meaning

    def _judge(self, fields: HeaderList) -> Meaning:
        pseudo, headers = split(fields)
        # Most often only the path is new. What came out of the table is the same object again, so this costs next to nothing.
        known = self._fields
        if known is None or known.given != headers:
            known = read_fields(headers, self._limits)
            if self._blocks.size <= REMEMBERED_LIST_BYTES:
                self._fields = known
        return read_head(pseudo, known)

    def read_trailers(self, block: bytes) -> None:
        """The trailers of a request, which are checked and dropped. Raises as `read`."""
        fields = self.skip(block)
        check_trailers(fields, self._blocks.size - FIELD_OVERHEAD * len(fields), self._limits)

    def skip(self, block: bytes) -> HeaderList:
        """A block that is of no use: its fields, unchecked. Raises ConnectionFault as `read`."""
        fields = self._blocks.read(block)
        if self._blocks.changes != self._changes:
            self._changes = self._blocks.changes
            self._read.clear()
        return fields
