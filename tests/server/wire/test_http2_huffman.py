"""The Huffman code of HPACK, read as hpack reads it."""

import pytest
from hpack import HPACKError
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hpack.huffman_table import decode_huffman
from hypothesis import given, settings
from hypothesis import strategies as st

from pagi.server.wire.http2_huffman import BadHuffmanCode, unpack

ENCODER = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)


@given(st.binary(max_size=300))
def test_what_is_packed_is_unpacked(text: bytes) -> None:
    assert unpack(ENCODER.encode(text)) == text


@pytest.mark.parametrize("byte", range(256))
def test_every_byte_is_known(byte: int) -> None:
    text = bytes([byte]) * 3
    assert unpack(ENCODER.encode(text)) == text


@settings(max_examples=2000)
@given(st.binary(max_size=12))
def test_any_bytes_are_judged_as_hpack_judges_them(coded: bytes) -> None:
    try:
        expected = decode_huffman(coded)
    except HPACKError:
        with pytest.raises(BadHuffmanCode):
            unpack(coded)
    else:
        assert unpack(coded) == expected


@pytest.mark.parametrize("coded", [b"\xff\xff\xff\xff", b"\xff\xff\xff\xff\xff", b"\xff", b"\x00", b"\xfe"])
def test_what_is_cut_off_or_padded_too_far_is_refused(coded: bytes) -> None:
    with pytest.raises(BadHuffmanCode):
        unpack(coded)
