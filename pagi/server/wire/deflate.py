"""Compressed WebSocket messages (RFC 7692): terms, inflation within bounds, deflation. Keeps nothing between two messages."""

import zlib

import msgspec
from wsproto.extensions import Extension
from wsproto.frame_protocol import CloseReason, FrameDecoder, FrameProtocol, Opcode, RsvBits

from pagi.http.errors import PeerError

NAME = "permessage-deflate"

# Measured on 64 KiB of JSON: level 1 in a window of 12 bits takes 0.35 ms; zlib's own level 6 and 15 bits take 1.3 ms and save 5% more.
_LEVEL = 1
_OUR_WINDOW_BITS = 12
_MAX_WINDOW_BITS = 15
# zlib cannot make a raw stream with the window of 256 bytes that 8 stands for.
_MIN_WINDOW_BITS = 9

# RFC 7692 section 7.2.1: the sender takes these four bytes off the end of a message, the receiver puts them back.
_TAIL = b"\x00\x00\xff\xff"
# A last, empty block: a stream that can take it stood between two blocks, so nothing was cut off.
_END = b"\x03\x00"


class DeflateTerms(msgspec.Struct, frozen=True, gc=False):
    """What both ends agreed on. Neither ever carries a window over to its next message."""

    window_bits: int = _MAX_WINDOW_BITS
    """The widest window the client can inflate with, as a power of two: 9 to 15."""
    window_bits_asked: bool = False

    def header(self) -> bytes:
        """Value of the answer's Sec-WebSocket-Extensions.

        >>> DeflateTerms().header()
        b'permessage-deflate; server_no_context_takeover; client_no_context_takeover'
        """
        value = b"permessage-deflate; server_no_context_takeover; client_no_context_takeover"
        # RFC 7692 section 7.1.2.1: who accepts an offer with this parameter answers with it.
        return value + b"; server_max_window_bits=%d" % self.window_bits if self.window_bits_asked else value


def judge_offer(parameters: tuple[tuple[str, str | None], ...]) -> DeflateTerms | None:
    """The terms that one offer leads to, or None where it is declined (RFC 7692 section 7.1).

    >>> judge_offer((("client_max_window_bits", None), ("server_max_window_bits", "10"))).window_bits
    10
    """
    window_bits: int | None = None
    seen: set[str] = set()
    for name, value in parameters:
        if name in seen:
            return None
        seen.add(name)
        match name:
            case "server_no_context_takeover" | "client_no_context_takeover" if value is None:
                pass
            case "client_max_window_bits" if value is None or _bits(value) is not None:
                # Only says that the client could keep to a smaller window. We inflate with the widest, for one message at a time.
                pass
            case "server_max_window_bits" if value is not None and (window_bits := _bits(value)) is not None:
                if window_bits < _MIN_WINDOW_BITS:
                    return None
            case _:
                return None
    return DeflateTerms() if window_bits is None else DeflateTerms(window_bits, True)


def _bits(value: str) -> int | None:
    """8 to 15 in decimal without leading zeros, else None (RFC 7692 section 7.1.2)."""
    return int(value) if value in ("8", "9", "10", "11", "12", "13", "14", "15") else None


class InflationError(PeerError):
    """A compressed message cannot become a message. `code` is the Close code that says so."""

    code = 1007


class InflatedTooBig(InflationError):
    """A compressed message inflates to more than the limit."""

    code = 1009

    def __init__(self, limit: int) -> None:
        super().__init__(f"compressed message inflates to over {limit} bytes; raise ws_max_message_bytes if such messages are welcome")
        self.limit = limit


class Inflation:
    """One message being inflated, to at most `limit` bytes in all. Its 40 KiB of state last no longer than the message."""

    __slots__ = ("_begun", "_limit", "_room", "_stream")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._room = limit
        self._begun = False
        self._stream = zlib.decompressobj(-_MAX_WINDOW_BITS)

    def feed(self, data: bytes) -> bytes:
        """What these compressed bytes inflate to.

        Raises:
            InflatedTooBig: more than the limit; at most one byte more than that was inflated.
            InflationError: not a deflate stream, or bytes after its end.
        """
        inflated = self._inflate(data, self._room + 1)
        self._begun = self._begun or bool(data)
        self._room -= len(inflated)
        if self._room < 0:
            raise InflatedTooBig(self._limit)
        # After a block marked as last only the byte of one empty block may follow (RFC 7692 section 7.2.3.5).
        if self._has_ended() and self._stream.unused_data not in (b"", b"\x00"):
            raise InflationError("compressed message has bytes after the end of its deflate stream")
        return inflated

    def finish(self) -> bytes:
        """What the end of the message adds: often nothing.

        Raises:
            InflatedTooBig: as for `feed`.
            InflationError: the stream was cut off.
        """
        # No byte at all ought to be one byte (RFC 7692 section 7.2.3.6), but a compressor flushed twice gives none.
        if self._has_ended() or not self._begun:
            return b""
        rest = self.feed(_TAIL)
        if self._has_ended() or self._inflate(_END, 1) or not self._has_ended():
            raise InflationError("compressed message is cut off inside a deflate block")
        return rest

    def _inflate(self, data: bytes, most: int) -> bytes:
        try:
            return self._stream.decompress(data, most)
        except zlib.error as exc:
            raise InflationError(f"compressed message is no deflate stream: {exc}") from exc

    def _has_ended(self) -> bool:
        return self._stream.eof


def inflate(data: bytes, limit: int) -> bytes:
    """A whole compressed message, inflated to at most `limit` bytes.

    >>> inflate(deflate(b"to be or not to be", 15), 1024)
    b'to be or not to be'

    Raises:
        InflatedTooBig, InflationError: as for `Inflation`.
    """
    inflation = Inflation(limit)
    inflated = inflation.feed(data)
    rest = inflation.finish()
    return inflated + rest if rest else inflated


def deflate(data: bytes, window_bits: int) -> bytes:
    """A whole message compressed, for a peer with a window of 2 ** `window_bits` bytes (RFC 7692 section 7.2.1)."""
    # A window wider than the message is only memory to clear: at 15 bits that takes five times as long as 1 KiB of JSON itself.
    bits = min(window_bits, _OUR_WINDOW_BITS, max(_MIN_WINDOW_BITS, len(data).bit_length()))
    stream = zlib.compressobj(_LEVEL, zlib.DEFLATED, -bits, bits - 7)
    return (stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH))[: -len(_TAIL)]


class BoundedDeflate(Extension):
    """permessage-deflate for wsproto, reading only. wsproto's own inflates without a bound (261 KB became 268 MB: tried).

    Answers 1009 past `limit` inflated bytes, 1007 for what is no deflate stream, 1002 for RSV1 where it may not stand.
    `error` then says why.
    """

    name = NAME

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._inflation: Inflation | None = None
        self._frame_is_compressed = False
        self.error: str | None = None

    def enabled(self) -> bool:
        return True

    def offer(self) -> bool | str:
        """A server offers nothing; the terms were settled in the handshake."""
        return False

    def frame_inbound_header(
        self, proto: FrameDecoder | FrameProtocol, opcode: Opcode, rsv: RsvBits, payload_length: int
    ) -> CloseReason | RsvBits:
        starts_message = opcode in (Opcode.TEXT, Opcode.BINARY)
        # RFC 7692 section 6: RSV1 stands on the first frame of a message only, and never on a control frame.
        if rsv.rsv1 and not starts_message:
            self.error = f"RSV1 is set on a {opcode.name.lower()} frame; only the first frame of a compressed message has it"
            return CloseReason.PROTOCOL_ERROR
        if starts_message:
            self._inflation = Inflation(self._limit) if rsv.rsv1 else None
        # A control frame may stand between two frames of a compressed message, and is never compressed itself.
        self._frame_is_compressed = self._inflation is not None and not opcode.iscontrol()
        return RsvBits(True, False, False)

    def frame_inbound_payload_data(self, proto: FrameDecoder | FrameProtocol, data: bytes) -> bytes | CloseReason:
        if self._inflation is None or not self._frame_is_compressed:
            return data
        try:
            return self._inflation.feed(data)
        except InflationError as exc:
            return self._refuse(exc)

    def frame_inbound_complete(self, proto: FrameDecoder | FrameProtocol, fin: bool) -> bytes | CloseReason | None:
        if self._inflation is None or not self._frame_is_compressed or not fin:
            return None
        try:
            return self._inflation.finish()
        except InflationError as exc:
            return self._refuse(exc)
        finally:
            self._inflation = None

    def _refuse(self, error: InflationError) -> CloseReason:
        self.error = str(error)
        return CloseReason(error.code)
