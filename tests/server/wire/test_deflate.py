"""permessage-deflate (RFC 7692): which offers are granted, what inflates within which bounds, and that nothing is kept."""

import random
import zlib

import pytest
from wsproto.extensions import PerMessageDeflate

from pagi.server.wire.deflate import DeflateTerms, InflatedTooBig, Inflation, InflationError, deflate, inflate, judge_offer

LIMIT = 1024 * 1024

GRANTED: dict[str, tuple[tuple[tuple[str, str | None], ...], int]] = {
    "nothing": ((), 15),
    "both takeovers given up": ((("server_no_context_takeover", None), ("client_no_context_takeover", None)), 15),
    "a client window that we may set": ((("client_max_window_bits", None),), 15),
    "a client window of 8": ((("client_max_window_bits", "8"),), 15),
    "a server window of 9": ((("server_max_window_bits", "9"),), 9),
    "a server window of 15": ((("server_max_window_bits", "15"),), 15),
    "all of it": (
        (
            ("server_max_window_bits", "10"),
            ("client_max_window_bits", "12"),
            ("server_no_context_takeover", None),
            ("client_no_context_takeover", None),
        ),
        10,
    ),
}


@pytest.mark.parametrize(("parameters", "bits"), GRANTED.values(), ids=GRANTED)
def test_an_offer_we_can_keep_is_granted(parameters: tuple[tuple[str, str | None], ...], bits: int) -> None:
    terms = judge_offer(parameters)
    assert terms is not None
    assert terms.window_bits == bits


DECLINED: dict[str, tuple[tuple[str, str | None], ...]] = {
    "an unknown parameter": (("x", None),),
    "an unknown parameter among known ones": (("client_max_window_bits", None), ("level", "9")),
    "a parameter twice": (("client_max_window_bits", None), ("client_max_window_bits", "10")),
    "a parameter in capitals": (("Client_max_window_bits", None),),
    "a takeover with a value": (("server_no_context_takeover", "1"),),
    "the other takeover with a value": (("client_no_context_takeover", "true"),),
    "a server window without a value": (("server_max_window_bits", None),),
    "a server window of 7": (("server_max_window_bits", "7"),),
    "a server window of 8, which zlib cannot make": (("server_max_window_bits", "8"),),
    "a server window of 16": (("server_max_window_bits", "16"),),
    "a server window with a leading zero": (("server_max_window_bits", "09"),),
    "a server window in other digits": (("server_max_window_bits", "¹0"),),
    "a client window of 16": (("client_max_window_bits", "16"),),
    "a client window that is no number": (("client_max_window_bits", "wide"),),
}


@pytest.mark.parametrize("parameters", DECLINED.values(), ids=DECLINED)
def test_an_offer_we_cannot_keep_is_declined(parameters: tuple[tuple[str, str | None], ...]) -> None:
    assert judge_offer(parameters) is None


def test_the_answer_names_the_window_only_where_it_was_asked_for() -> None:
    plain, asked = judge_offer(()), judge_offer((("server_max_window_bits", "15"),))
    assert plain is not None
    assert asked is not None
    assert b"window" not in plain.header()
    assert asked.header().endswith(b"; server_max_window_bits=15")


@pytest.mark.parametrize("bits", range(9, 16))
def test_wsprotos_client_reads_our_answer_as_we_mean_it(bits: int) -> None:
    client = PerMessageDeflate()
    client.finalize(DeflateTerms(bits, True).header().decode())
    assert (client.server_no_context_takeover, client.client_no_context_takeover, client.server_max_window_bits) == (True, True, bits)


@pytest.mark.parametrize("bits", range(9, 16))
@pytest.mark.parametrize("size", [1, 256, 4096, 100_000])
def test_what_we_deflate_fits_the_window_that_was_agreed(bits: int, size: int) -> None:
    data = (random.Random(8).randbytes(600) * (size // 600 + 1))[:size]
    stream = zlib.decompressobj(-bits)
    assert stream.decompress(deflate(data, bits) + b"\x00\x00\xff\xff") == data


@pytest.mark.parametrize("size", [0, 1, 1000, LIMIT])
def test_what_was_deflated_inflates_again(size: int) -> None:
    data = b"abcdefg" * (size // 7) + b"x" * (size % 7)
    assert inflate(deflate(data, 15), LIMIT) == data


def test_a_message_inflates_alike_however_it_is_split() -> None:
    data = random.Random(9).randbytes(3000) * 5
    packed = deflate(data, 15)
    for size in (1, 2, 3, 100, 5000):
        inflation = Inflation(LIMIT)
        parts = [inflation.feed(packed[i : i + size]) for i in range(0, len(packed), size)]
        assert b"".join([*parts, inflation.finish()]) == data


def test_every_cut_of_a_message_is_refused_or_is_a_whole_block() -> None:
    data = b"".join(b"line %d of the log\n" % i for i in range(60))
    packed = deflate(data, 15)
    for end in range(1, len(packed)):
        with pytest.raises(InflationError):
            inflate(packed[:end], LIMIT)


def test_one_byte_over_the_limit_is_too_big() -> None:
    packed = deflate(b"x" * 1001, 15)
    assert len(inflate(packed, 1001)) == 1001
    with pytest.raises(InflatedTooBig, match="over 1000 bytes; raise ws_max_message_bytes"):
        inflate(packed, 1000)


def test_too_big_closes_with_1009_and_broken_with_1007() -> None:
    assert (InflatedTooBig.code, InflationError.code) == (1009, 1007)


@pytest.mark.parametrize(
    "extra", [b"\x00\x00", b"x", b"\x00x", deflate(b"more", 15)], ids=["two zeros", "a letter", "a zero and a letter", "a message"]
)
def test_bytes_after_the_last_block_are_refused(extra: bytes) -> None:
    last = zlib.compressobj(6, zlib.DEFLATED, -15)
    data = last.compress(b"hello") + last.flush(zlib.Z_FINISH)
    assert inflate(data, LIMIT) == b"hello"
    assert inflate(data + b"\x00", LIMIT) == b"hello"
    with pytest.raises(InflationError, match="after the end"):
        inflate(data + extra, LIMIT)


def test_bytes_after_the_last_block_are_refused_in_pieces_too() -> None:
    last = zlib.compressobj(6, zlib.DEFLATED, -15)
    inflation = Inflation(LIMIT)
    assert inflation.feed(last.compress(b"hello") + last.flush(zlib.Z_FINISH)) == b"hello"
    assert inflation.feed(b"\x00") == b""
    with pytest.raises(InflationError, match="after the end"):
        inflation.feed(b"\x00")
