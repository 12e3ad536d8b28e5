"""The grammar's tables: every pair of state and event, and what the errors say."""

import io
import typing
from typing import Any

import pytest

from pagi.gateway import events
from pagi.gateway.fields import FORMS
from pagi.gateway.grammar import (
    DECLINE,
    FINAL,
    IGNORED,
    MEANING,
    START,
    TRANSITIONS,
    BadEvent,
    EventOutOfOrder,
    Fork,
    advance,
    check,
    expected,
    is_final,
)

LEGAL = [(kind, state, name) for kind, table in TRANSITIONS.items() for state, row in table.items() for name in row]
ILLEGAL = [
    (kind, state, name) for kind, table in TRANSITIONS.items() for state, row in table.items() for name in FORMS[kind] if name not in row
]


@pytest.mark.parametrize(("kind", "state", "name"), LEGAL)
def test_every_legal_event_leads_to_the_state_of_the_table(kind: str, state: str, name: str) -> None:
    target = TRANSITIONS[kind][state][name]
    if isinstance(target, Fork):
        assert advance(kind, state, {"type": name}) == target.when_clear
        assert advance(kind, state, {"type": name, target.flag: False}) == target.when_clear
        assert advance(kind, state, {"type": name, target.flag: True}) == target.when_set
    else:
        assert advance(kind, state, {"type": name}) == target


@pytest.mark.parametrize(("kind", "state", "name"), ILLEGAL)
def test_every_other_event_is_refused_with_name_state_and_remedy(kind: str, state: str, name: str) -> None:
    with pytest.raises(EventOutOfOrder) as caught:
        advance(kind, state, {"type": name})
    message = str(caught.value)
    assert repr(name) in message
    assert kind in message
    assert MEANING[kind][state] in message
    assert all(other in message for other in expected(kind, state))
    assert (caught.value.kind, caught.value.state, caught.value.event_type) == (kind, state, name)


@pytest.mark.parametrize("kind", TRANSITIONS)
def test_every_state_has_words_and_is_reached(kind: str) -> None:
    targets = {START[kind]}
    for row in TRANSITIONS[kind].values():
        for target in row.values():
            targets |= {target.when_set, target.when_clear} if isinstance(target, Fork) else {target}
    assert targets == set(TRANSITIONS[kind]) == set(MEANING[kind])
    assert FINAL[kind] <= targets


@pytest.mark.parametrize("kind", TRANSITIONS)
def test_order_and_fields_know_the_same_events(kind: str) -> None:
    assert {name for row in TRANSITIONS[kind].values() for name in row} == set(FORMS[kind])


@pytest.mark.parametrize(
    ("kind", "sequence", "final"),
    [
        ("http", ["http.response.start", "http.response.body"], True),
        ("http", ["http.response.start"], False),
        ("http", ["http.response.early_hint", "http.response.start", "http.response.pathsend"], True),
        ("websocket", ["websocket.accept", "websocket.send", "websocket.keepalive", "websocket.send", "websocket.close"], True),
        ("websocket", ["websocket.close"], True),
        ("websocket", ["websocket.http.response.start", "websocket.http.response.body"], True),
        ("websocket", ["websocket.accept", "websocket.send"], False),
        ("sse", ["sse.start", "sse.send", "sse.comment", "sse.keepalive", "sse.close", "sse.close"], True),
        ("sse", ["http.response.start", "http.response.body"], True),
        ("sse", ["sse.http.response.start", "sse.http.response.body"], True),
        ("sse", ["sse.http.response.start", "http.response.body"], True),
        ("sse", ["sse.start", "sse.send"], False),
        ("lifespan", ["lifespan.startup.complete", "lifespan.shutdown.complete"], True),
        ("lifespan", ["lifespan.startup.failed"], True),
        ("lifespan", ["lifespan.startup.complete"], False),
    ],
)
def test_ordinary_conversations_pass(kind: str, sequence: list[str], final: bool) -> None:
    state = START[kind]
    for name in sequence:
        state = advance(kind, state, {"type": name})
    assert is_final(kind, state) is final


def test_announced_trailers_must_follow_the_body() -> None:
    state = advance("http", "start", {"type": "http.response.start", "status": 200, "trailers": True})
    state = advance("http", state, {"type": "http.response.body", "more_body": True})
    state = advance("http", state, {"type": "http.response.body"})
    assert not is_final("http", state)
    state = advance("http", state, {"type": "http.response.trailers", "more_trailers": True})
    assert is_final("http", advance("http", state, {"type": "http.response.trailers"}))


@pytest.mark.parametrize("name", ["file", "fh"])
def test_a_file_ends_the_body_whatever_more_body_says(name: str) -> None:
    event = {"type": "http.response.body", name: object(), "more_body": True}
    assert advance("http", "started", event) == "done"
    assert advance("http", "started", {**event, name: None}) == "streaming"


def test_an_early_hint_is_ignored_once_the_head_was_given() -> None:
    for name in IGNORED:
        assert advance("http", "streaming", {"type": name}) == "streaming"
        assert advance("sse", DECLINE + "streaming", {"type": name}) == DECLINE + "streaming"


def test_a_stream_cannot_be_declined_after_its_start_nor_started_after_a_decline() -> None:
    with pytest.raises(EventOutOfOrder, match="the event stream is open"):
        advance("sse", "open", {"type": "http.response.start", "status": 404})
    with pytest.raises(EventOutOfOrder, match="was declined"):
        advance("sse", advance("sse", "start", {"type": "http.response.start", "status": 404}), {"type": "sse.send", "data": "x"})


@pytest.mark.parametrize("kind", TRANSITIONS)
@pytest.mark.parametrize("event", [{"type": "no.such"}, {"type": "http.response.push"}, {"type": None}, {"type": []}, {}, [], None, "text"])
def test_what_is_no_event_of_the_kind_is_refused_by_both(kind: str, event: Any) -> None:
    with pytest.raises(BadEvent):
        advance(kind, START[kind], event)
    with pytest.raises(BadEvent):
        check(kind, event)


def test_an_unknown_event_is_named_with_its_kind() -> None:
    with pytest.raises(BadEvent, match=r"'sse\.send' is no event that a http application may send"):
        check("http", {"type": "sse.send", "data": "x"})


START_EVENT = {"type": "http.response.start", "status": 200}
BODY = {"type": "http.response.body"}


@pytest.mark.parametrize(
    ("kind", "event"),
    [
        ("http", START_EVENT),
        ("http", {**START_EVENT, "headers": [(b"a", b"b")], "trailers": True}),
        ("http", {**START_EVENT, "headers": ()}),
        ("http", {**START_EVENT, "headers": None}),
        ("http", {**START_EVENT, "headers": (pair for pair in [(b"a", b"b")])}),
        ("http", {**START_EVENT, "unheard_of": object()}),
        ("http", BODY),
        ("http", {**BODY, "body": b"x", "more_body": 1}),
        ("http", {**BODY, "body": memoryview(b"x"), "file": None}),
        ("http", {**BODY, "file": "/etc/hosts", "offset": 0, "length": 3}),
        ("http", {"type": "http.response.trailers"}),
        ("http", {"type": "http.response.trailers", "headers": []}),
        ("http", {"type": "http.response.early_hint", "links": [b"</a>"]}),
        ("websocket", {"type": "websocket.accept", "subprotocol": None, "headers": []}),
        ("websocket", {"type": "websocket.send", "text": "", "bytes": None}),
        ("websocket", {"type": "websocket.send", "bytes": b"x"}),
        ("websocket", {"type": "websocket.close"}),
        ("websocket", {"type": "websocket.close", "code": 4000, "reason": None}),
        ("websocket", {"type": "websocket.keepalive", "interval": 0}),
        ("websocket", {"type": "websocket.keepalive", "interval": 1.5, "timeout": 3}),
        ("sse", {"type": "sse.start"}),
        ("sse", {"type": "sse.send", "data": ""}),
        ("sse", {"type": "sse.send", "data": "x", "event": "e", "id": "1", "retry": 0, "comment": "c"}),
        ("sse", {"type": "sse.comment", "comment": ""}),
        ("sse", {"type": "sse.keepalive", "interval": 2, "comment": ""}),
        ("sse", {"type": "sse.keepalive", "interval": 0.5}),
        ("sse", {"type": "sse.close", "reason": "done"}),
        ("sse", BODY),
        ("lifespan", {"type": "lifespan.startup.failed", "message": "no database"}),
    ],
)
def test_events_with_the_right_fields_pass(kind: str, event: dict[str, Any]) -> None:
    check(kind, event)


@pytest.mark.parametrize(
    ("kind", "event", "says"),
    [
        ("http", {"type": "http.response.start"}, "lacks 'status'"),
        ("http", {**START_EVENT, "status": None}, "'status' of 'http.response.start' must be an integer from 200 to 999, got None"),
        ("http", {**START_EVENT, "status": "200"}, "got str"),
        ("http", {**START_EVENT, "status": True}, "got True"),
        ("http", {**START_EVENT, "status": 101}, "got 101"),
        ("http", {**START_EVENT, "status": 1000}, "got 1000"),
        ("http", {**START_EVENT, "headers": "a: b"}, "'headers'"),
        ("http", {**START_EVENT, "headers": {b"a": b"b"}}, "'headers'"),
        ("http", {**START_EVENT, "trailers": "yes"}, "true or false"),
        ("http", {**BODY, "body": "text"}, "'body' of 'http.response.body' must be bytes, got str"),
        ("http", {**BODY, "body": b"", "file": "/x"}, "takes one of body, file, fh, got 'body' and 'file'"),
        ("http", {**BODY, "body": b"", "fh": io.BytesIO()}, "takes one of body, file, fh, got 'body' and 'fh'"),
        ("http", {**BODY, "file": b"/x"}, "'file'"),
        ("http", {**BODY, "fh": 3}, "'fh'"),
        ("http", {**BODY, "file": "/x", "offset": -1}, "got -1"),
        ("http", {**BODY, "file": "/x", "length": 1.5}, "got 1.5"),
        ("http", {**BODY, "file": "/x", "length": 2**63}, "'length'"),
        ("http", {"type": "http.response.trailers", "headers": 7}, "'headers'"),
        ("http", {"type": "http.response.pathsend"}, "lacks 'path'"),
        ("http", {"type": "http.response.early_hint"}, "lacks 'links'"),
        ("websocket", {"type": "websocket.send"}, "takes one of bytes, text, got none"),
        ("websocket", {"type": "websocket.send", "text": None, "bytes": None}, "got none"),
        ("websocket", {"type": "websocket.send", "text": "x", "bytes": b"x"}, "got 'bytes' and 'text'"),
        ("websocket", {"type": "websocket.send", "text": b"x"}, "'text'"),
        ("websocket", {"type": "websocket.close", "code": "1000"}, "'code'"),
        ("websocket", {"type": "websocket.close", "code": 5000}, "got 5000"),
        ("websocket", {"type": "websocket.keepalive"}, "lacks 'interval'"),
        ("websocket", {"type": "websocket.keepalive", "interval": "5"}, "'interval'"),
        ("websocket", {"type": "websocket.http.response.start"}, "lacks 'status'"),
        ("sse", {"type": "sse.send"}, "lacks 'data'"),
        ("sse", {"type": "sse.send", "data": None}, "'data'"),
        ("sse", {"type": "sse.send", "data": b"x"}, "got bytes"),
        ("sse", {"type": "sse.send", "data": ["x"]}, "got list"),
        ("sse", {"type": "sse.send", "data": "x", "retry": -1}, "got -1"),
        ("sse", {"type": "sse.send", "data": "x", "retry": "5"}, "got str"),
        ("sse", {"type": "sse.comment"}, "lacks 'comment'"),
        ("sse", {"type": "sse.keepalive"}, "lacks 'interval'"),
        ("sse", {"type": "sse.keepalive", "interval": "5"}, "'interval'"),
        ("sse", {"type": "sse.keepalive", "interval": float("nan")}, "got nan"),
        ("sse", {"type": "sse.keepalive", "interval": -1}, "got -1"),
        ("sse", {"type": "sse.close", "reason": 5}, "'reason'"),
        ("sse", {"type": "sse.http.response.start", "status": "404"}, "'status'"),
        ("lifespan", {"type": "lifespan.startup.failed", "message": b"x"}, "'message'"),
    ],
)
def test_a_wrong_field_is_named_with_what_was_expected(kind: str, event: dict[str, Any], says: str) -> None:
    with pytest.raises(BadEvent) as caught:
        check(kind, event)
    assert says in str(caught.value)
    assert caught.value.kind == kind


def _typed_events() -> dict[str, type]:
    described: dict[str, type] = {}
    for value in vars(events).values():
        if typing.is_typeddict(value):
            (name,) = typing.get_args(value.__annotations__["type"])
            described[name] = value
    return described


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, forms in FORMS.items() for name in forms])
def test_the_typed_dicts_describe_the_fields_that_are_checked(kind: str, name: str) -> None:
    described = _typed_events()[name]
    form = FORMS[kind][name]
    assert set(described.__annotations__) == {"type", *form.fields}
    required: frozenset[str] = described.__required_keys__  # type: ignore[attr-defined]
    assert required == {"type", *form.required}
