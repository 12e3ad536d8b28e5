"""Chunked request bodies: what is decoded, what is refused, and that splits do not matter."""

import random

import pytest

from pagi.server.wire.chunked import MAX_EXTENSION_BYTES, ChunkDecoder
from pagi.server.wire.head_gate import RequestRefused

GOOD: list[tuple[str, bytes, bytes]] = [
    ("nothing", b"0\r\n\r\n", b""),
    ("one chunk", b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
    ("hex of both cases", b"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", b"0123456789" * 2),
    ("leading zeros", b"000000000000005\r\nhello\r\n000\r\n\r\n", b"hello"),
    ("an extension", b"5;name=value\r\nhello\r\n0;last\r\n\r\n", b"hello"),
    ("blanks before an extension", b'5 \t;a="b c"\r\nhello\r\n0\r\n\r\n', b"hello"),
    ("trailers", b"5\r\nhello\r\n0\r\nX-Sum: 1\r\nY:\r\n\r\n", b"hello"),
    ("line ends in the data", b"4\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n"),
]
BAD: list[tuple[str, bytes, int]] = [
    ("no size", b"\r\nhello\r\n", 400),
    ("garbage", b"xyz\r\nhello\r\n", 400),
    ("a negative size", b"-5\r\nhello\r\n", 400),
    ("a signed size", b"+5\r\nhello\r\n", 400),
    ("0x", b"0x5\r\nhello\r\n", 400),
    ("an underscore", b"1_0\r\nhello\r\n", 400),
    ("a leading blank", b" 5\r\nhello\r\n", 400),
    ("a trailing blank", b"5 \r\nhello\r\n", 400),
    ("16 digits", b"0000000000000005\r\nhello\r\n", 400),
    ("LF after the size", b"5\nhello\r\n", 400),
    ("CR CR LF after the size", b"5\r\r\nhello\r\n", 400),
    ("LF in an extension", b"5;a\nb\r\nhello\r\n", 400),
    ("CR in an extension", b"5;a\rb\r\nhello\r\n", 400),
    ("NUL in an extension", b"5;a\x00b\r\nhello\r\n", 400),
    ("data past its size", b"5\r\nhello!\r\n0\r\n\r\n", 400),
    ("LF after the data", b"5\r\nhello\n0\r\n\r\n", 400),
    ("no line end after the data", b"5\r\nhello0\r\n\r\n", 400),
    ("LF at the end", b"0\r\n\n", 400),
    ("a trailer without a colon", b"0\r\nnonsense\r\n\r\n", 400),
    ("a trailer with a control byte", b"0\r\nX: \x01\r\n\r\n", 400),
    ("a folded trailer", b"0\r\nX: 1\r\n 2\r\n\r\n", 400),
    ("a blank before a trailer's colon", b"0\r\nX : 1\r\n\r\n", 400),
    ("too many trailers", b"0\r\n" + b"X: 1\r\n" * 6 + b"\r\n", 431),
    ("a long trailer", b"0\r\nX: " + b"y" * 200 + b"\r\n\r\n", 431),
    ("a long trailer without an end", b"0\r\nX: " + b"y" * 200, 431),
    ("a long extension", b"5;" + b"x" * MAX_EXTENSION_BYTES + b"\r\nhello\r\n", 400),
    ("a long extension without an end", b"5;" + b"x" * (MAX_EXTENSION_BYTES + 20), 400),
    ("many extensions", b"1;%s\r\nx\r\n" % (b"x" * 999) * 17, 400),
]


def decoder() -> ChunkDecoder:
    return ChunkDecoder(max_trailer_bytes=100, max_fields=5)


def feed_single_bytes(chunks: ChunkDecoder, raw: bytes) -> None:
    for at in range(len(raw)):
        chunks.feed(raw[at : at + 1])


@pytest.mark.parametrize(("raw", "body"), [pytest.param(*row, id=name) for name, *row in GOOD])
def test_good_chunks_are_decoded_and_what_follows_is_left(raw: bytes, body: bytes) -> None:
    chunks = decoder()
    assert chunks.feed(raw + b"GET") == body
    assert chunks.done
    assert chunks.rest == b"GET"


@pytest.mark.parametrize(("raw", "status"), [pytest.param(*row, id=name) for name, *row in BAD])
def test_bad_chunks_are_refused_however_they_are_split(raw: bytes, status: int) -> None:
    with pytest.raises(RequestRefused) as whole:
        decoder().feed(raw)
    assert whole.value.status == status
    with pytest.raises(RequestRefused) as split:
        feed_single_bytes(decoder(), raw)
    assert split.value.status == status


@pytest.mark.parametrize(("raw", "body"), [pytest.param(*row, id=name) for name, *row in GOOD])
def test_chunks_split_at_every_byte_read_alike(raw: bytes, body: bytes) -> None:
    for at in range(1, len(raw)):
        chunks = decoder()
        assert chunks.feed(raw[:at]) + chunks.feed(raw[at:]) == body
        assert chunks.done


def test_random_bodies_come_out_as_they_went_in() -> None:
    chance = random.Random(11)
    for _ in range(200):
        pieces = [chance.randbytes(chance.randint(1, 50)) for _ in range(chance.randint(0, 6))]
        raw = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        chunks, out, at = decoder(), b"", 0
        while at < len(raw):
            step = chance.randint(1, 20)
            out += chunks.feed(raw[at : at + step])
            at += step
        assert out == b"".join(pieces)
        assert chunks.done


def test_bytes_inside_a_large_chunk_are_handed_on_without_a_copy() -> None:
    chunks = decoder()
    chunks.feed(b"100000\r\n")
    received = bytes(65536)
    assert chunks.feed(received) is received
    assert chunks.to_come() == 0x100000 - 65536


def test_trailers_up_to_the_limit_are_taken() -> None:
    chunks = decoder()
    chunks.feed(b"0\r\n" + b"X: 1\r\n" * 5 + b"\r\n")
    assert chunks.done


def test_many_lines_are_read_in_several_turns() -> None:
    decoder = ChunkDecoder(100, 10)
    turns = [decoder.feed(b"1\r\nx\r\n" * 2000 + b"0\r\n\r\nwhat follows")]
    while not decoder.done:
        turns.append(decoder.feed(decoder.rest))
    assert turns == [b"x" * 512] * 3 + [b"x" * 464]
    assert decoder.rest == b"what follows"
