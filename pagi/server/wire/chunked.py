"""The chunked transfer coding of requests (RFC 9112 section 7.1), decoded as bytes come. Knows nothing of heads or answers."""

import re

from pagi.server.options import KIB
from pagi.server.wire.head_gate import FIELD_LINE, RequestRefused, fault_of_line

MAX_SIZE_DIGITS = 15
"""Hex digits of one chunk's size, leading zeros included: 15 still fit a signed 64-bit number."""

MAX_EXTENSION_BYTES = 16 * KIB
"""Extension bytes over one whole body. Nobody reads them; without a bound they are a body outside every limit."""

LINES_AT_ONCE = 1024
"""Lines read in one `feed`, about 1 ms of work. One read of a transport may hold eighty times as many, of chunks of one byte each."""

_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,%d})((?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?)" % MAX_SIZE_DIGITS)

_SIZE, _DATA, _DATA_END, _TRAILERS = range(4)


class ChunkDecoder:
    """Takes a body off the chunks it came in. Lines end in CRLF only; extensions and trailers are checked, counted and dropped."""

    __slots__ = (
        "_extension_bytes",
        "_left",
        "_max_fields",
        "_max_trailer_bytes",
        "_partial",
        "_state",
        "_trailer_bytes",
        "_trailers",
        "done",
        "rest",
    )

    def __init__(self, max_trailer_bytes: int, max_fields: int) -> None:
        self._max_trailer_bytes = max_trailer_bytes
        self._max_fields = max_fields
        self._state = _SIZE
        self._left = 0
        self._partial = b""
        self._extension_bytes = 0
        self._trailer_bytes = 0
        self._trailers = 0
        self.done = False
        self.rest = b""
        """What was not read: what followed the body, once it is `done`, or what is to be fed again in a later turn."""

    def feed(self, data: bytes) -> bytes:
        """The body's bytes among `data`; where that is all of `data` it is handed on as it is. Of many lines it leaves a `rest`.

        Raises:
            RequestRefused: 400 for broken framing, 431 for trailers over the limits of a head.
        """
        pieces: list[bytes] = []
        at, size, lines = 0, len(data), 0
        self.rest = b""
        while at < size:
            if self._state == _DATA:
                take = min(self._left, size - at)
                pieces.append(data if take == size else data[at : at + take])
                at += take
                self._left -= take
                if not self._left:
                    self._state = _DATA_END
                continue
            end = data.find(b"\n", at)
            if end < 0:
                self._partial += data[at:]
                self._check_partial()
                break
            line = self._partial + data[at : end + 1]
            self._partial = b""
            at = end + 1
            if line[-2:] != b"\r\n":
                raise RequestRefused(400, "a line of the chunked body ends in LF alone")
            self._take_line(line[:-2])
            lines += 1
            if self.done or lines == LINES_AT_ONCE:
                self.rest = data[at:]
                break
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def to_come(self) -> int:
        """Bytes of the body that are certainly still to come: the rest of the chunk in hand."""
        return self._left

    def _take_line(self, line: bytes) -> None:
        if self._state == _SIZE:
            self._take_size(line)
        elif self._state == _DATA_END:
            if line:
                raise RequestRefused(400, "chunk data goes on past its declared size")
            self._state = _SIZE
        else:
            self._take_trailer(line)

    def _take_size(self, line: bytes) -> None:
        matched = _SIZE_LINE.fullmatch(line)
        if matched is None:
            raise RequestRefused(400, f"malformed chunk size {line[:32]!r}; 1 to {MAX_SIZE_DIGITS} hex digits are taken")
        self._extension_bytes += len(matched[2])
        if self._extension_bytes > MAX_EXTENSION_BYTES:
            raise RequestRefused(400, f"chunk extensions of one body are over {MAX_EXTENSION_BYTES} bytes")
        self._left = int(matched[1], 16)
        self._state = _DATA if self._left else _TRAILERS

    def _take_trailer(self, line: bytes) -> None:
        if not line:
            self.done = True
            return
        self._trailers += 1
        self._trailer_bytes += len(line) + 2
        if self._trailers > self._max_fields:
            raise RequestRefused(431, f"request has over {self._max_fields} trailer fields; raise max_fields if such clients are welcome")
        if self._trailer_bytes > self._max_trailer_bytes:
            raise self._trailers_too_large()
        if FIELD_LINE.fullmatch(line) is None:
            raise RequestRefused(400, f"bad trailer: {fault_of_line(line)}")

    def _check_partial(self) -> None:
        """Refuses a line that has not ended but can no longer become a good one, so that nothing waits without bound."""
        size = len(self._partial)
        if self._state == _DATA_END:
            if self._partial != b"\r":
                raise RequestRefused(400, "chunk data goes on past its declared size")
        elif self._state == _SIZE:
            if size > MAX_SIZE_DIGITS + MAX_EXTENSION_BYTES - self._extension_bytes + 1:
                raise RequestRefused(400, f"chunk extensions of one body are over {MAX_EXTENSION_BYTES} bytes")
        elif self._trailer_bytes + size > self._max_trailer_bytes:
            raise self._trailers_too_large()

    def _trailers_too_large(self) -> RequestRefused:
        return RequestRefused(
            431, f"request trailers are over {self._max_trailer_bytes} bytes; raise max_head_bytes if such clients are welcome"
        )
