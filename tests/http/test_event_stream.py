"""The event-stream format: exact bytes out, any split of bytes in."""

from typing import Any, assert_type

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagi.http.errors import AppError, PeerError
from pagi.http.event_stream import (
    Decoder,
    Event,
    EventTooLarge,
    InvalidEvent,
    encode,
    encode_comment,
    encode_event,
    encode_json,
    encode_retry,
    encode_text,
)


@pytest.mark.parametrize(
    ("arguments", "wire"),
    [
        ({"data": "hello"}, b"data: hello\n\n"),
        ({"data": ""}, b"data: \n\n"),
        ({"data": "hi", "event": "update"}, b"event: update\ndata: hi\n\n"),
        ({"data": "line1\nline2"}, b"data: line1\ndata: line2\n\n"),
        ({"data": "a\r\nb\rc\n"}, b"data: a\ndata: b\ndata: c\ndata: \n\n"),
        ({"data": "a\nb", "event": "e"}, b"event: e\ndata: a\ndata: b\n\n"),
        ({"data": "x", "id": "5", "retry": 3000}, b"data: x\nid: 5\nretry: 3000\n\n"),
        ({"data": "x", "event": "", "id": ""}, b"data: x\n\n"),
        ({"data": "x", "retry": 0}, b"data: x\nretry: 0\n\n"),
        ({"data": None, "retry": 5}, b"retry: 5\n\n"),
        ({"data": None, "id": "5"}, b"id: 5\n\n"),
        ({"data": "x", "comment": "note\nmore"}, b":note\n:more\ndata: x\n\n"),
        ({"data": None, "comment": ":ping"}, b":ping\n\n"),
        ({"data": "é", "event": "ü", "id": "ö"}, "event: ü\ndata: é\nid: ö\n\n".encode()),
        ({"data": None}, b"\n"),
    ],
)
def test_events_have_exactly_these_bytes(arguments: dict[str, Any], wire: bytes) -> None:
    assert encode_event(**arguments) == wire


@pytest.mark.parametrize(
    ("text", "wire"),
    [("ping", b":ping\n\n"), (":ping", b":ping\n\n"), ("", b":\n\n"), ("a\r\nb\rc", b":a\n:b\n:c\n\n"), ("é", b":\xc3\xa9\n\n")],
)
def test_comments_have_exactly_these_bytes(text: str, wire: bytes) -> None:
    assert encode_comment(text) == wire


@pytest.mark.parametrize(
    ("event", "wire"),
    [
        (Event("text"), b"data: text\n\n"),
        (Event('"quoted"'), b'data: "quoted"\n\n'),
        (Event({"n": 1}), b'data: {"n":1}\n\n'),
        (Event(5, event="tick"), b"event: tick\ndata: 5\n\n"),
        (Event(None), b"data: null\n\n"),
        (Event(["a\nb"]), b'data: ["a\\nb"]\n\n'),
        (Event(msgspec.Raw(b'{\n"a":1\r}')), b'data: {\ndata: "a":1\ndata: }\n\n'),
    ],
)
def test_text_goes_as_it_is_and_the_rest_as_json(event: Event[object], wire: bytes) -> None:
    assert encode(event) == wire
    assert encode_event(event.text, event.event) == wire


@pytest.mark.parametrize(("text", "wire"), [("a", b"data: a\n\n"), ("", b"data: \n\n"), ("a\r\nb\rc", b"data: a\ndata: b\ndata: c\n\n")])
def test_text_alone_is_an_event(text: str, wire: bytes) -> None:
    assert encode_text(text) == encode(Event(text)) == wire


def test_json_already_written_is_an_event_whatever_its_lines() -> None:
    assert encode_json(b"[1]") == b"data: [1]\n\n"
    assert encode_json(b"[\r\n1]") == b"data: [\ndata: 1]\n\n"


def test_another_encoder_may_write_the_json() -> None:
    def upper(value: object) -> bytes:
        return str(value).upper().encode()

    assert encode(Event(["a"]), upper) == b"data: ['A']\n\n"
    assert encode(Event(["a"], id="1"), upper) == b"data: ['A']\nid: 1\n\n"
    assert encode(Event("a", id="1"), upper) == b"data: a\nid: 1\n\n"


def test_a_retry_alone_counts_at_once_and_is_no_event() -> None:
    decoder = Decoder()
    assert (decoder.feed(encode_retry(3000)), decoder.retry) == ([], 3000)
    assert [event.text for event in decoder.feed(encode_text("a"))] == ["a"]
    with pytest.raises(InvalidEvent, match="whole milliseconds"):
        encode_retry(-1)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"event": "a\nb"}, "line end"),
        ({"event": "a\r"}, "line end"),
        ({"id": "a\nb"}, "line end"),
        ({"id": "\r"}, "line end"),
        ({"id": "a\0b"}, "NUL"),
        ({"retry": -1}, "whole milliseconds"),
        ({"retry": 1.5}, "whole milliseconds"),
        ({"retry": True}, "whole milliseconds"),
        ({"retry": "5"}, "whole milliseconds"),
    ],
)
def test_fields_that_would_break_the_stream_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidEvent, match=message):
        Event("x", **fields)
    with pytest.raises(InvalidEvent, match=message):
        encode_event("x", **fields)


@pytest.mark.parametrize("data", [b"x", bytearray(b"x"), memoryview(b"x")])
def test_bytes_are_refused(data: object) -> None:
    with pytest.raises(InvalidEvent, match="decode it first"):
        Event(data)


def test_data_without_json_form_is_refused() -> None:
    with pytest.raises(InvalidEvent, match="cannot be written as JSON"):
        encode(Event(object()))


@pytest.mark.parametrize(
    "encoded",
    [
        lambda: encode_event("\ud800"),
        lambda: encode(Event("\ud800")),
        lambda: encode_comment("\ud800"),
        lambda: encode_event("x", id="\ud800"),
    ],
)
def test_a_lone_surrogate_is_refused(encoded: Any) -> None:
    with pytest.raises(InvalidEvent, match="surrogate"):
        encoded()


def test_a_refusal_is_the_application_s_fault_and_a_value_error() -> None:
    assert issubclass(InvalidEvent, AppError)
    assert issubclass(InvalidEvent, ValueError)


def test_checkers_know_the_type_of_the_data() -> None:
    event = Event(5)
    assert_type(event, Event[int])
    wider: Event[int | str] = event
    assert wider.data == 5


def test_an_event_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Event("x").data = "y"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def test_events_are_equal_by_their_parts() -> None:
    assert Event("x", id="1") == Event("x", id="1") != Event("x", id="2")
    assert len({Event("x"), Event("x"), Event("y")}) == 2


@pytest.mark.parametrize(
    ("wire", "events"),
    [
        # The examples of HTML section 9.2.6.
        (b"data: YHOO\ndata: +2\ndata: 10\n\n", [Event("YHOO\n+2\n10")]),
        (
            b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
            [Event("first event", id="1"), Event("second event", id=""), Event(" third event")],
        ),
        (b"data\n\ndata\ndata\n\ndata:", [Event(""), Event("\n")]),
        (b"data:test\n\ndata: test\n\n", [Event("test"), Event("test")]),
        # Line ends, byte order mark, unknown fields, comments.
        (b"data: a\r\rdata: b\r\n\r\ndata: c\n\n", [Event("a"), Event("b"), Event("c")]),
        (b"data: a\r\n\n", [Event("a")]),
        (b"\xef\xbb\xbfdata: a\n\n", [Event("a")]),
        (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n", []),
        (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [Event("a")]),
        (b"DATA: a\nother: b\n data: c\n\n", []),
        (b":note\n:more\ndata: x\n\n", [Event("x", comment="note\nmore")]),
        (b":ping\n\ndata: x\n\n", [Event("x")]),
        (b"event: tick\ndata: x\n\n", [Event("x", event="tick")]),
        (b"event: tick\n\ndata: x\n\n", [Event("x")]),
        (b"event:\ndata: x\n\n", [Event("x")]),
        (b"id: a\0b\ndata: x\n\n", [Event("x")]),
        (b"data: \xff\n\n", [Event("\ufffd")]),
        (b"data: unfinished\n", []),
        (b"", []),
        # JSON where it is JSON.
        (b'data: {"a": [1]}\n\n', [Event({"a": [1]})]),
        (b"data: 5\n\n", [Event(5)]),
        (b"data: null\n\n", [Event(None)]),
        (b"data: nul\n\n", [Event("nul")]),
        (b"data: [\ndata: 1]\n\n", [Event([1])]),
    ],
)
def test_streams_are_read_as_browsers_do(wire: bytes, events: list[Event[Any]]) -> None:
    assert Decoder().feed(wire) == events
    bytewise = Decoder()
    assert [event for byte in wire for event in bytewise.feed(bytes([byte]))] == events


def test_text_is_kept_beside_decoded_data() -> None:
    (event,) = Decoder().feed(b'data: {"a":  1}\n\n')
    assert event.data == {"a": 1}
    assert event.text == '{"a":  1}'


def test_deep_nesting_is_text() -> None:
    (event,) = Decoder().feed(b"data: " + b"[" * 100_000 + b"\n\n")
    assert event.data == event.text == "[" * 100_000


def test_the_last_event_id_outlives_its_event() -> None:
    decoder = Decoder()
    assert decoder.last_event_id == ""
    decoder.feed(b"id: 1\ndata: a\n\ndata: b\n\n")
    assert decoder.last_event_id == "1"


def test_an_id_without_data_counts_once_its_block_ends() -> None:
    decoder = Decoder()
    assert decoder.feed(b"id: 1\n") == []
    assert decoder.last_event_id == ""
    assert decoder.feed(b"\n") == []
    assert decoder.last_event_id == "1"


def test_an_empty_id_clears_the_last_one() -> None:
    decoder = Decoder()
    decoder.feed(b"id: 1\ndata: a\n\nid\ndata: b\n\n")
    assert decoder.last_event_id == ""


@pytest.mark.parametrize(
    ("value", "retry"),
    [(b"3000", 3000), (b"0", 0), (b"", None), (b"-1", None), (b"1.5", None), (b"5s", None), (b"\xd9\xa5", None), (b"9" * 5000, None)],
)
def test_only_digits_are_a_retry(value: bytes, retry: int | None) -> None:
    decoder = Decoder()
    decoder.feed(b"retry: " + value + b"\n")
    assert decoder.retry == retry


def test_an_event_is_not_held_back_for_the_second_half_of_its_line_end() -> None:
    decoder = Decoder()
    assert decoder.feed(b"data: a\r\n\r") == [Event("a")]
    assert decoder.feed(b"\ndata: b\n\n") == [Event("b")]


@pytest.mark.parametrize("wire", [b"data: " + b"x" * 100, b"data: x\n" * 20, b":" + b"x" * 100, b":\n" * 60, b"x" * 101])
def test_an_event_that_grows_too_large_is_the_peer_s_fault(wire: bytes) -> None:
    decoder = Decoder(max_event_bytes=100)
    for byte in wire[:100]:
        decoder.feed(bytes([byte]))
    with pytest.raises(EventTooLarge, match="the limit is 100") as caught:
        decoder.feed(wire[100:101])
    assert isinstance(caught.value, PeerError)
    assert caught.value.size == 101


def test_the_limit_is_for_one_event_and_not_for_the_stream() -> None:
    decoder = Decoder(max_event_bytes=100)
    assert len(decoder.feed(b"data: 0123456789\n\n" * 1000)) == 1000


def split(wire: bytes, cuts: list[int]) -> list[bytes]:
    """`wire` in pieces, cut where `cuts` say (each taken modulo the length)."""
    places = sorted({cut % (len(wire) + 1) for cut in cuts})
    return [wire[start:end] for start, end in zip([0, *places], [*places, len(wire)], strict=True)]


FIELD = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), min_size=1, max_size=8)
TEXT = st.text(alphabet=st.one_of(st.sampled_from("\r\n:a "), st.characters(exclude_categories=["Cs"])), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
EVENTS = st.lists(
    st.builds(
        Event[Any],
        JSON,
        event=st.none() | FIELD,
        id=st.none() | FIELD,
        retry=st.none() | st.integers(0, 10**9),
        comment=st.none() | FIELD.filter(lambda text: not text.startswith(":")),
    ),
    min_size=1,
    max_size=4,
)
CUTS = st.lists(st.integers(0, 10_000), max_size=8)


@given(EVENTS, CUTS)
def test_events_survive_any_split_of_their_bytes(events: list[Event[Any]], cuts: list[int]) -> None:
    decoder = Decoder()
    wire = b"".join(map(encode, events))
    received = [event for piece in split(wire, cuts) for event in decoder.feed(piece)]
    assert [(event.text, event.event, event.id, event.comment) for event in received] == [
        (event.text.replace("\r\n", "\n").replace("\r", "\n"), event.event, event.id, event.comment) for event in events
    ]
    assert all(got.data == sent.data for got, sent in zip(received, events, strict=True) if not isinstance(sent.data, str))
    assert decoder.retry == next((event.retry for event in reversed(events) if event.retry is not None), None)
    assert decoder.last_event_id == next((event.id for event in reversed(events) if event.id is not None), "")


@given(
    st.lists(st.sampled_from([b"data", b":", b" ", b"\r", b"\n", b"\xef\xbb\xbf", b"id", b"event", b"x", b"\0", b"\xc3"]), max_size=40),
    CUTS,
)
def test_any_bytes_read_the_same_whole_and_in_pieces(parts: list[bytes], cuts: list[int]) -> None:
    wire = b"".join(parts)
    whole, pieces = Decoder(), Decoder()
    assert whole.feed(wire) == [event for piece in split(wire, cuts) for event in pieces.feed(piece)]
    assert whole.last_event_id == pieces.last_event_id
