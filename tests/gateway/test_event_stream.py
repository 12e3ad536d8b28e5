"""`EventStream`: the exact bytes, the head, the end, and what is refused."""

from typing import Any

import pytest

from pagi.gateway.event_stream import EventStream
from pagi.gateway.fields import BadEvent
from pagi.gateway.grammar import EventOutOfOrder
from pagi.gateway.types import Message
from pagi.http.errors import AppError
from pagi.http.event_stream import InvalidEvent


def started() -> EventStream:
    stream = EventStream()
    stream.feed({"type": "sse.start"})
    return stream


def sent(**fields: Any) -> bytes:
    (event,) = started().feed({"type": "sse.send", **fields})
    assert event["type"] == "http.response.body"
    assert event["more_body"] is True
    body: bytes = event["body"]
    return body


@pytest.mark.parametrize(
    ("fields", "wire"),
    [
        ({"data": "hello"}, b"data: hello\n\n"),
        ({"data": "hi", "event": "update"}, b"event: update\ndata: hi\n\n"),
        ({"data": "line1\nline2"}, b"data: line1\ndata: line2\n\n"),
        ({"data": "a\r\nb\rc\nd"}, b"data: a\ndata: b\ndata: c\ndata: d\n\n"),
        ({"data": "x", "id": "5", "retry": 3000}, b"data: x\nid: 5\nretry: 3000\n\n"),
        ({"data": ""}, b"data: \n\n"),
        ({"data": "x", "event": "", "id": ""}, b"data: x\n\n"),
        ({"data": "x", "event": None, "id": None, "retry": None}, b"data: x\n\n"),
        ({"data": "gr\u00fc\u00df \u2603", "event": "\u00e4", "id": "\u00f6"}, "event: ä\ndata: grüß ☃\nid: ö\n\n".encode()),
        ({"data": "x", "comment": "note"}, b":note\ndata: x\n\n"),
    ],
)
def test_an_event_has_exactly_these_bytes(fields: dict[str, Any], wire: bytes) -> None:
    assert sent(**fields) == wire


@pytest.mark.parametrize(("text", "wire"), [("ping", b":ping\n\n"), (":ping", b":ping\n\n"), ("a\r\nb", b":a\n:b\n\n"), ("", b":\n\n")])
def test_a_comment_has_exactly_these_bytes(text: str, wire: bytes) -> None:
    assert started().feed({"type": "sse.comment", "comment": text}) == [{"type": "http.response.body", "body": wire, "more_body": True}]


def test_a_keepalive_event_sends_nothing_and_sets_what_the_timer_asks() -> None:
    stream = started()
    assert (stream.keepalive_interval, stream.keepalive_comment) == (15.0, "")
    assert stream.keepalive()["body"] == b":\n\n"
    assert stream.feed({"type": "sse.keepalive", "interval": 3, "comment": "still here"}) == []
    assert stream.keepalive_interval == 3
    assert stream.keepalive() == {"type": "http.response.body", "body": b":still here\n\n", "more_body": True}


@pytest.mark.parametrize("field", ["event", "id"])
@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_a_line_end_in_event_or_id_is_refused(field: str, end: str) -> None:
    with pytest.raises(InvalidEvent):
        sent(data="x", **{field: f"a{end}data: forged"})


def test_nul_in_an_id_is_refused() -> None:
    with pytest.raises(InvalidEvent):
        sent(data="x", id="a\0")


def test_text_that_has_no_utf8_is_refused_as_the_applications_fault() -> None:
    with pytest.raises(AppError):
        sent(data="\ud800")


@pytest.mark.parametrize(
    "fields", [{}, {"data": None}, {"data": b"x"}, {"data": "x", "event": 5}, {"data": "x", "retry": "5"}, {"dat": "x"}]
)
def test_a_send_with_wrong_fields_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(BadEvent):
        sent(**fields)


def test_a_refused_event_changes_nothing() -> None:
    stream = EventStream()
    with pytest.raises(BadEvent):
        stream.feed({"type": "sse.start", "headers": [("text", "text")]})
    assert not stream.started
    with pytest.raises(BadEvent):
        stream.feed({"type": "sse.start", "headers": [(b"alone",)]})
    assert [event["type"] for event in stream.feed({"type": "sse.start"})] == ["http.response.start"]


def test_the_start_brings_what_an_event_stream_needs() -> None:
    (head,) = EventStream().feed({"type": "sse.start"})
    assert head == {
        "type": "http.response.start",
        "status": 200,
        "headers": [
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-cache"),
            (b"x-accel-buffering", b"no"),
        ],
    }


def test_a_start_may_tell_when_to_come_back() -> None:
    head, retry = EventStream().feed({"type": "sse.start", "retry": 1500})
    assert head["type"] == "http.response.start"
    assert retry == {"type": "http.response.body", "body": b"retry: 1500\n", "more_body": True}


def test_a_start_may_set_the_keepalive() -> None:
    stream = EventStream()
    stream.feed({"type": "sse.start", "keepalive": 0, "retry": None})
    assert stream.keepalive_interval == 0


@pytest.mark.parametrize("fields", [{"retry": -1}, {"retry": "5"}, {"retry": True}, {"keepalive": -1}, {"keepalive": "5"}])
def test_a_start_with_wrong_fields_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(BadEvent):
        EventStream().feed({"type": "sse.start", **fields})


def test_the_start_keeps_what_the_application_gave() -> None:
    own = [(b"Content-Type", b"text/event-stream"), (b"cache-control", b"private"), (b"x-accel-buffering", b"yes"), (b"x-own", b"1")]
    (head,) = EventStream().feed({"type": "sse.start", "status": 201, "headers": own})
    assert head["status"] == 201
    assert head["headers"] == own


def test_the_applications_header_list_is_not_changed() -> None:
    own = [(b"x-own", b"1")]
    EventStream().feed({"type": "sse.start", "headers": own})
    assert own == [(b"x-own", b"1")]


def test_a_close_ends_the_body_once() -> None:
    stream = started()
    assert stream.feed({"type": "sse.close", "reason": "enough"}) == [{"type": "http.response.body", "body": b"", "more_body": False}]
    assert (stream.ended, stream.close_reason) == (True, "enough")
    assert stream.feed({"type": "sse.close", "reason": "again"}) == []
    assert stream.close_reason == "enough"
    assert stream.finish() == []


def test_the_last_thing_said_is_when_to_come_back() -> None:
    assert started().feed({"type": "sse.close", "retry": 2500}) == [
        {"type": "http.response.body", "body": b"retry: 2500\n", "more_body": False}
    ]


@pytest.mark.parametrize("name", ["sse.send", "sse.comment", "sse.keepalive", "sse.start", "http.response.start"])
def test_nothing_but_a_close_may_follow_a_close(name: str) -> None:
    stream = started()
    stream.feed({"type": "sse.close"})
    with pytest.raises(EventOutOfOrder):
        stream.feed({"type": name, "data": "x", "comment": "x", "interval": 1, "status": 200})


@pytest.mark.parametrize("event", [{"type": "sse.send", "data": "x"}, {"type": "sse.keepalive", "interval": 1}, {"type": "sse.close"}])
def test_nothing_may_come_before_the_start(event: Message) -> None:
    with pytest.raises(EventOutOfOrder):
        EventStream().feed(event)


def test_finish_ends_a_started_stream_and_only_once() -> None:
    stream = started()
    assert stream.finish() == [{"type": "http.response.body", "body": b"", "more_body": False}]
    assert stream.ended
    assert stream.finish() == []


def test_finish_of_what_was_never_started_is_nothing() -> None:
    stream = EventStream()
    assert stream.finish() == []
    assert not stream.ended


@pytest.mark.parametrize("prefix", ["", "sse."])
def test_a_decline_passes_as_an_ordinary_answer(prefix: str) -> None:
    stream = EventStream()
    head = {"status": 404, "headers": [(b"content-type", b"text/plain")]}
    assert stream.feed({"type": f"{prefix}http.response.start", **head}) == [{"type": "http.response.start", **head}]
    assert (stream.started, stream.declined, stream.ended) == (False, True, False)
    assert stream.feed({"type": f"{prefix}http.response.body", "body": b"no"}) == [{"type": "http.response.body", "body": b"no"}]
    assert stream.ended
    assert stream.finish() == []


def test_an_early_hint_alone_is_no_decline() -> None:
    stream = EventStream()
    stream.feed({"type": "http.response.early_hint", "links": [b"</a.css>"]})
    assert not stream.declined
    stream.feed({"type": "sse.start"})
    assert stream.started


def test_an_unknown_event_is_refused() -> None:
    with pytest.raises(BadEvent, match=r"websocket\.send"):
        started().feed({"type": "websocket.send", "text": "x"})


@pytest.mark.parametrize("event", [None, [], {}, {"data": "x"}])
def test_what_is_no_event_is_refused(event: Any) -> None:
    with pytest.raises(BadEvent):
        started().feed(event)
