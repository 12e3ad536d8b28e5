"""Byte ranges (RFC 9110 section 14): from a Range field to parts of a representation, and what says so in the answer. Reads no bytes."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pagi.http.errors import PeerError

MOST_RANGES = 16
"""Fields that ask for more are answered whole: nobody who reads a file needs them, and each costs a part (section 17.15)."""
GAP_BYTES = 80
"""Ranges this close become one: the head of a part costs as much as what lies between (section 15.3.7.2)."""

_FAR = 10**18
"""Further than any representation reaches; longer numbers are not even converted."""

_RANGES = re.compile(r"bytes=(?P<set>.*)", re.IGNORECASE)
_RANGE = re.compile(r"(?P<first>[0-9]*)-(?P<last>[0-9]*)")


class ByteRange(NamedTuple):
    """`length` bytes from `offset`; never empty."""

    offset: int
    length: int

    @property
    def end(self) -> int:
        """The first byte behind it."""
        return self.offset + self.length

    def content_range(self, size: int) -> str:
        """Value of the Content-Range field for this part of `size` bytes (RFC 9110 section 14.4).

        >>> ByteRange(0, 5).content_range(10)
        'bytes 0-4/10'
        """
        return f"bytes {self.offset}-{self.end - 1}/{size}"


class RangeNotSatisfiable(PeerError):
    """Nothing of what a Range field asks for exists."""

    status = 416

    def __init__(self, size: int) -> None:
        super().__init__(f"none of the ranges lies within the {size} bytes there are")
        self.size = size

    @property
    def content_range(self) -> str:
        """Value of the Content-Range field that belongs into the answer (RFC 9110 section 14.4)."""
        return f"bytes */{self.size}"


def requested_ranges(fields: Sequence[str], size: int, *, most: int = MOST_RANGES) -> list[ByteRange] | None:
    """The parts of `size` bytes that the Range fields of a GET ask for, or None: the whole is to be sent.

    A field that is malformed, of another unit, given twice or asks for more than `most` ranges is ignored, as the RFC allows
    (section 14.2); so is every range of nothing. Ranges that overlap or nearly touch become one, at the place of the first.

    >>> requested_ranges(["bytes=0-99,-5"], 1000)
    [ByteRange(offset=0, length=100), ByteRange(offset=995, length=5)]
    >>> requested_ranges(["lines=1-2"], 1000) is None
    True

    Raises:
        RangeNotSatisfiable: the field is well formed, and none of its ranges exists.
    """
    if len(fields) != 1 or not size:
        return None
    found = _RANGES.fullmatch(fields[0])
    if found is None:
        return None
    members = [member for member in (member.strip(" \t") for member in found["set"].split(",")) if member]
    if not 0 < len(members) <= most:
        return None
    ranges: list[ByteRange] = []
    for member in members:
        bounds = _RANGE.fullmatch(member)
        if bounds is None or not (bounds["first"] or bounds["last"]):
            return None
        if not bounds["first"]:
            length = min(_number(bounds["last"]), size)
            offset = size - length
        else:
            offset = _number(bounds["first"])
            last = _number(bounds["last"]) if bounds["last"] else _FAR
            if last < offset:
                return None
            length = min(last, size - 1) - offset + 1
        if offset < size and length > 0:
            ranges.append(ByteRange(offset, length))
    if not ranges:
        raise RangeNotSatisfiable(size)
    return _coalesced(ranges)


def _number(digits: str) -> int:
    digits = digits.lstrip("0")
    return int(digits or "0") if len(digits) <= 18 else _FAR


def _coalesced(ranges: list[ByteRange]) -> list[ByteRange]:
    """The same bytes without overlaps and small gaps, in the order in which the first of each was asked for."""
    if len(ranges) == 1:
        return ranges
    merged: list[tuple[int, ByteRange]] = []
    for place, each in sorted(enumerate(ranges), key=lambda item: item[1].offset):
        if merged and each.offset <= merged[-1][1].end + GAP_BYTES:
            first, before = merged[-1]
            merged[-1] = (min(first, place), ByteRange(before.offset, max(before.end, each.end) - before.offset))
        else:
            merged.append((place, each))
    return [each for _, each in sorted(merged)]


def multipart_type(boundary: str) -> str:
    """The Content-Type of an answer of several parts."""
    return f"multipart/byteranges; boundary={boundary}"


def multipart(ranges: Iterable[ByteRange], size: int, content_type: str, boundary: str) -> list[bytes | ByteRange]:
    """The body of an answer of several parts (RFC 9110 section 14.6): bytes as they are, and ranges to be filled in.

    `boundary` must not occur in the content: a long random one does not.

    >>> multipart([ByteRange(0, 2)], 9, "text/plain", "cut")[0]
    b'--cut\\r\\nContent-Type: text/plain\\r\\nContent-Range: bytes 0-1/9\\r\\n\\r\\n'
    """
    pieces: list[bytes | ByteRange] = []
    delimiter = f"--{boundary}\r\n"
    for each in ranges:
        head = f"{delimiter}Content-Type: {content_type}\r\nContent-Range: {each.content_range(size)}\r\n\r\n"
        pieces += [head.encode("latin-1"), each]
        delimiter = f"\r\n--{boundary}\r\n"
    pieces.append(f"\r\n--{boundary}--\r\n".encode("latin-1"))
    return pieces


def length_of(pieces: Iterable[bytes | ByteRange]) -> int:
    """How long a body of such pieces is.

    >>> length_of([b"ab", ByteRange(10, 5)])
    7
    """
    return sum(piece.length if isinstance(piece, ByteRange) else len(piece) for piece in pieces)
