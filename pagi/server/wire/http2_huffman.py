"""Strings in the Huffman code of RFC 7541 appendix B, unpacked a byte at a time by what hpack's table says of its two halves."""

from typing import TypeAlias

from hpack.huffman_table import HUFFMAN_COMPLETE, HUFFMAN_EMIT_SYMBOL, HUFFMAN_FAIL, HUFFMAN_TABLE

_Step: TypeAlias = tuple[bytes, "_State"]
"""The symbols that a byte ends, and the state after it."""


class BadHuffmanCode(ValueError):
    """The bytes are no string in this code."""


class _State(dict[int, _Step]):
    """Where in the code a byte is met: what each byte does here, filled in as they come. There are 65,536 such steps at most."""

    __slots__ = ("may_end", "number")

    def __init__(self, number: int, may_end: bool) -> None:
        super().__init__()
        self.number = number
        """In hpack's table."""
        self.may_end = may_end
        """A string may be over: nothing but padding is left of the last byte."""

    def __missing__(self, byte: int) -> _Step:
        if self is _FAILED:
            return b"", _FAILED
        state, flags = self.number, 0
        symbols = bytearray()
        for half in (byte >> 4, byte & 0x0F):
            state, flags, symbol = HUFFMAN_TABLE[state * 16 + half]
            if flags & HUFFMAN_FAIL:
                return b"", _FAILED
            if flags & HUFFMAN_EMIT_SYMBOL:
                symbols.append(symbol)
        key = state, bool(flags & HUFFMAN_COMPLETE)
        step = self[byte] = bytes(symbols), _STATES.setdefault(key, _State(*key))
        return step


_FAILED = _State(-1, False)
_STATES = {(0, True): _State(0, True)}
_FIRST = _STATES[0, True]


def unpack(coded: bytes) -> bytes:
    """The string that `coded` stands for.

    >>> unpack(bytes.fromhex("f1e3c2e5f23a6ba0ab90f4ff"))
    b'www.example.com'

    Raises:
        BadHuffmanCode: it stands for none.
    """
    state = _FIRST
    symbols: list[bytes] = []
    for byte in coded:
        ended, state = state[byte]
        symbols.append(ended)
    if not state.may_end:
        raise BadHuffmanCode("a code is wrong or cut off")
    return b"".join(symbols)
