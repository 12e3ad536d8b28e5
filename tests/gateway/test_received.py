"""The tables of what a server hands over: every pair of state and event, and what the errors say."""

import typing
from typing import Any

import pytest

from pagi.gateway import events
from pagi.gateway.fields import BadEvent
from pagi.gateway.received import FORMS, MEANING, ORDER, ReceivedOutOfOrder, received

WHOLE: dict[str, dict[str, Any]] = {"websocket.receive": {"text": "x"}}
"""What an event needs beside its type."""

LEGAL = [(kind, state, name, after) for kind, table in ORDER.items() for state, row in table.items() for name, after in row.items()]
ILLEGAL = [(kind, state, name) for kind, table in ORDER.items() for state, row in table.items() for name in FORMS[kind] if name not in row]


@pytest.mark.parametrize(("kind", "state", "name", "after"), LEGAL)
def test_every_legal_event_leads_to_the_state_of_the_table(kind: str, state: str, name: str, after: str) -> None:
    assert received(kind, state, {"type": name, **WHOLE.get(name, {})}) == after


@pytest.mark.parametrize("kind", ["http", "sse"])
def test_a_request_whose_body_goes_on_is_not_whole(kind: str) -> None:
    event = {"type": f"{kind}.request", "body": b"x", "more_body": True}
    assert received(kind, "start", event) == "start"
    assert received(kind, "start", {**event, "more_body": False}) == "whole"


@pytest.mark.parametrize(("kind", "state", "name"), ILLEGAL)
def test_every_other_event_is_refused_with_name_and_state(kind: str, state: str, name: str) -> None:
    with pytest.raises(ReceivedOutOfOrder) as caught:
        received(kind, state, {"type": name, **WHOLE.get(name, {})})
    message = str(caught.value)
    assert repr(name) in message
    assert MEANING[state] in message
    assert all(other in message for other in ORDER[kind][state])


@pytest.mark.parametrize(
    ("kind", "event", "message"),
    [
        (
            "http",
            {"type": "http.response.start"},
            "is no event that a http application is handed; there are http.request, ",
        ),
        ("http", {"type": "websocket.receive", "text": "x"}, "is no event that a http application is handed"),
        ("http", [], "an event must be a dict with a 'type', got list"),
        ("http", {"type": "http.request", "body": "text"}, "'body' of 'http.request' must be bytes, got str"),
        ("http", {"type": "http.request", "more_body": "yes"}, "'more_body' of 'http.request' must be true or false, got str"),
        ("sse", {"type": "sse.disconnect", "reason": 5}, "'reason' of 'sse.disconnect' must be text (str), got 5"),
        ("websocket", {"type": "websocket.receive"}, "'websocket.receive' takes one of bytes, text, got none"),
        ("websocket", {"type": "websocket.receive", "bytes": b"", "text": ""}, "takes one of bytes, text, got 'bytes' and 'text'"),
        (
            "websocket",
            {"type": "websocket.disconnect", "code": 7},
            "'code' of 'websocket.disconnect' must be an integer from 1000",
        ),
    ],
)
def test_an_event_that_is_none_is_refused_with_what_it_must_be(kind: str, event: Any, message: str) -> None:
    with pytest.raises(BadEvent) as caught:
        received(kind, next(iter(ORDER[kind])), event)
    assert message in str(caught.value)


def test_none_is_as_good_as_absent() -> None:
    assert received("websocket", "open", {"type": "websocket.receive", "bytes": None, "text": "x"}) == "open"


def test_every_state_has_words_and_is_reached() -> None:
    for table in ORDER.values():
        assert set(table) <= set(MEANING)
        assert {after for row in table.values() for after in row.values()} | {next(iter(table))} == set(table)


def test_the_typed_dicts_of_received_events_are_those_of_the_tables() -> None:
    types = {
        typing.get_args(typing.get_type_hints(declared)["type"])[0]
        for name, declared in vars(events).items()
        if isinstance(declared, type) and name.endswith("Event") and hasattr(declared, "__required_keys__")
    }
    assert {name for forms in FORMS.values() for name in forms} <= types
