"""Field blocks both ways, against hpack: what it reads we read, what it refuses we refuse, and it reads what we write."""

from typing import TypeAlias

import pytest
from hpack import Decoder, Encoder, HPACKError, NeverIndexedHeaderTuple
from hpack.huffman_table import decode_huffman
from hypothesis import given, settings
from hypothesis import strategies as st

from pagi.server.wire import http2_head_writer, http2_hpack_reader
from pagi.server.wire.http2_faults import ConnectionFault
from pagi.server.wire.http2_frames import Code
from pagi.server.wire.http2_head_writer import block_parts, common_fields, length_field, status_field, trailer_block
from pagi.server.wire.http2_hpack_reader import BlockReader

Fields: TypeAlias = list[tuple[bytes, bytes]]

NAMES = st.sampled_from([b":path", b":method", b"cookie", b"user-agent", b"x-a", b"x-b" * 40, b"authorization", b"date"])
VALUES = st.one_of(st.sampled_from([b"", b"/", b"GET", b"a=1", b"x" * 130, b"\xff\x00\n"]), st.binary(max_size=200))
BLOCKS = st.lists(st.lists(st.tuples(NAMES, VALUES, st.booleans()), max_size=12), min_size=1, max_size=6)


def verdict(read: "BlockReader | Decoder", block: bytes) -> Fields | None:
    """What a block says; None where it is refused."""
    try:
        if isinstance(read, BlockReader):
            return read.read(block)
        return [(bytes(name), bytes(value)) for name, value in read.decode(block, raw=True)]
    except (ConnectionFault, HPACKError):
        return None


@given(BLOCKS, st.booleans())
def test_what_an_encoder_writes_is_read(lists: list[list[tuple[bytes, bytes, bool]]], huffman: bool) -> None:
    encoder, reader = Encoder(), BlockReader(65536)
    for fields in lists:
        assert reader.read(encoder.encode(fields, huffman)) == [(name, value) for name, value, _ in fields]


@given(BLOCKS, st.lists(st.integers(0, 4096), min_size=6, max_size=6))
def test_tables_may_change_their_size(lists: list[list[tuple[bytes, bytes, bool]]], sizes: list[int]) -> None:
    encoder, reader = Encoder(), BlockReader(65536)
    for fields, size in zip(lists, sizes, strict=False):
        encoder.header_table_size = size
        assert reader.read(encoder.encode(fields)) == [(name, value) for name, value, _ in fields]


@settings(max_examples=500)
@given(st.lists(st.binary(max_size=40), min_size=1, max_size=4))
def test_any_bytes_are_read_as_hpack_reads_them(blocks: list[bytes]) -> None:
    reader, judge = BlockReader(4096), Decoder(4096)
    for block in blocks:
        expected = verdict(judge, block)
        assert verdict(reader, block) == expected
        if expected is None:
            break


@settings(max_examples=300)
@given(BLOCKS, st.data())
def test_a_block_with_a_wrong_byte_is_read_as_hpack_reads_it(lists: list[list[tuple[bytes, bytes, bool]]], draw: st.DataObject) -> None:
    encoder, reader, judge = Encoder(), BlockReader(65536), Decoder(65536)
    for fields in lists:
        block = bytearray(encoder.encode(fields))
        if block:
            block[draw.draw(st.integers(0, len(block) - 1))] = draw.draw(st.integers(0, 255))
        expected = verdict(judge, bytes(block))
        assert verdict(reader, bytes(block)) == expected
        if expected is None:
            break


def test_the_size_is_told_as_http_2_measures_it() -> None:
    reader = BlockReader(65536)
    reader.read(Encoder().encode([(b"x", b"yz"), (b"abc", b"")]))
    assert reader.size == 1 + 2 + 32 + 3 + 32


def test_a_table_that_changes_is_told() -> None:
    encoder, reader = Encoder(), BlockReader(65536)
    reader.read(encoder.encode([(b"x", b"y")]))
    assert reader.changes == 1
    reader.read(encoder.encode([(b"x", b"y"), (b":method", b"GET")]))
    reader.read(encoder.encode([(b"x", b"z", True)]))
    assert reader.changes == 1
    reader.read(b"\x20")
    assert reader.changes == 2


@pytest.mark.parametrize("unusual", [False, True])
def test_a_list_that_outgrows_the_limit_is_refused(unusual: bool) -> None:
    reader = BlockReader(1000)
    block = Encoder().encode([(b"x", b"y" * 200)])
    with pytest.raises(ConnectionFault) as caught:
        reader.read((b"\x20" if unusual else b"") + block + block * 5)
    assert (caught.value.code, caught.value.status) == (Code.ENHANCE_YOUR_CALM, 431)


def test_a_bomb_is_refused_before_it_unpacks() -> None:
    reader = BlockReader(65536)
    reader.read(Encoder().encode([(b"x", b"y" * 4000)]))
    with pytest.raises(ConnectionFault):
        reader.read(b"\xbe" * 16384)  # four bytes for each bit: 64 MiB


def test_secrets_and_long_texts_are_not_remembered_beyond_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    texts: dict[bytes, bytes] = {}
    monkeypatch.setattr(http2_hpack_reader, "TEXTS", texts)
    fields = [(b"cookie", b"secret-one"), (b"authorization", b"secret-two"), (b"x-long", b"secret-three" * 20), (b"x-known", b"seen")]
    assert BlockReader(65536).read(Encoder().encode(fields)) == fields
    assert set(texts.values()) == {b"x-long", b"x-known", b"seen"}


def test_a_token_of_every_request_is_unpacked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked: list[bytes] = []

    def counting(coded: bytes) -> bytes:
        unpacked.append(coded)
        return decode_huffman(coded)

    monkeypatch.setattr(http2_hpack_reader, "unpack", counting)
    block = Encoder().encode([(b"authorization", b"Bearer " + b"abc." * 100, True)])
    reader = BlockReader(65536)
    for _ in range(3):
        assert reader.read(block) == [(b"authorization", b"Bearer " + b"abc." * 100)]
    assert len(unpacked) == 1
    for number in range(100):
        reader.read(Encoder().encode([(b"authorization", b"token%d" % number, True)]))
    reader.read(block)
    assert len(unpacked) == 102


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    texts: dict[bytes, bytes] = {}
    monkeypatch.setattr(http2_hpack_reader, "TEXTS", texts)
    for number in range(3000):
        BlockReader(65536).read(Encoder().encode([(b"x", b"aaaaa%d" % number)]))
        assert len(texts) <= http2_hpack_reader.MAX_REMEMBERED


# ---- what we write


def read_back(parts: list[bytes]) -> Fields:
    return [(bytes(name), bytes(value)) for name, value in Decoder().decode(b"".join(parts), raw=True)]


@given(
    st.integers(200, 999),
    st.lists(
        st.tuples(
            st.sampled_from([b"x-a", b"Content-Type", b"set-cookie", b"Vary", b"location", b"etag", b"x" * 200]),
            st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=200).map(str.encode),
        ),
        max_size=8,
    ),
    st.one_of(st.none(), st.integers(0, 10**18 - 1)),
)
def test_hpack_reads_what_we_write(status: int, fields: Fields, length: int | None) -> None:
    given = [*fields, *([(b"Content-Length", b"%d" % length)] if length is not None else [])]
    parts, declared = block_parts(status_field(status), given, b"\r\ndate: D\r\nserver: pagi")
    assert declared == length
    expected = [(b":status", b"%d" % status), (b"date", b"D"), (b"server", b"pagi"), *((name.lower(), value) for name, value in fields)]
    assert read_back(parts) == expected
    if length is not None:
        assert read_back([length_field(length)]) == [(b"content-length", b"%d" % length)]


def test_secrets_are_marked_never_to_be_indexed() -> None:
    parts, _ = block_parts(status_field(200), [(b"Set-Cookie", b"a=b"), (b"x", b"y")], b"")
    fields = Decoder().decode(b"".join(parts), raw=True)
    assert [isinstance(field, NeverIndexedHeaderTuple) for field in fields] == [False, True, False]


def test_steady_fields_are_remembered_and_others_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    known: dict[tuple[bytes, bytes], bytes] = {}
    monkeypatch.setattr(http2_head_writer, "FIELDS", known)
    fields = [(b"Content-Type", b"text/plain"), (b"set-cookie", b"a=b"), (b"x", b"y"), (b"vary", b"v" * 100)]
    for _ in range(2):
        assert read_back(block_parts(status_field(200), fields, b"")[0])[1:] == [(name.lower(), value) for name, value in fields]
    assert set(known) == {(b"Content-Type", b"text/plain")}


def test_what_is_remembered_of_answers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    fields: dict[tuple[bytes, bytes], bytes] = {}
    names: dict[bytes, bytes] = {}
    monkeypatch.setattr(http2_head_writer, "FIELDS", fields)
    monkeypatch.setattr(http2_head_writer, "NAMES", names)
    for number in range(1500):
        given = [(b"vary", b"%d" % number), (b"x-%d" % number, b"a")]
        assert read_back(block_parts(status_field(200), given, b"")[0])[1:] == given
    assert (len(fields), len(names)) == (1024, 1024)


def test_the_common_fields_may_leave_some_out() -> None:
    lines = b"\r\ndate: D\r\nserver: pagi"
    assert read_back([common_fields(lines, frozenset((b"date",)))]) == [(b"server", b"pagi")]
    assert read_back([common_fields(lines)]) == [(b"date", b"D"), (b"server", b"pagi")]


def test_trailers_are_a_block() -> None:
    assert read_back([trailer_block([(b"X-Sum", b" 1 "), (b"etag", b"a")])]) == [(b"x-sum", b"1"), (b"etag", b"a")]
