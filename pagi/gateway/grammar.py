"""Which event an application may send when, as tables. What each event carries is in `fields`; knows no loop and no bytes.

Two laws. Every transition lives in a table of this file: the server, the Lint middleware and the test client read the same
ones. And a state is a small string whose meaning in words stands beside it, because the words go into the error.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from pagi.gateway.fields import FORMS, BadEvent, check, type_of, unknown_event
from pagi.http.errors import AppError

__all__ = [
    "DECLINE", "DECLINE_NAMES", "FINAL", "IGNORED", "MEANING", "START", "TRANSITIONS",
    "BadEvent", "EventOutOfOrder", "Fork", "advance", "check", "expected", "is_final",
]  # fmt: skip


class Fork(NamedTuple):
    """A transition that depends on one flag of the event."""

    flag: str
    when_set: str
    when_clear: str
    unless: tuple[str, ...] = ()
    """Fields whose presence makes the flag count as clear."""


Row: TypeAlias = dict[str, str | Fork]

# A file ends the answer, whatever `more_body` says.
_FILES = ("file", "fh")

_HTTP: dict[str, Row] = {
    "start": {
        "http.response.early_hint": "start",
        "http.response.start": Fork("trailers", "started+trailers", "started"),
    },
    "started": {
        "http.response.early_hint": "started",
        "http.response.body": Fork("more_body", "streaming", "done", _FILES),
        "http.response.pathsend": "done",
    },
    "started+trailers": {
        "http.response.early_hint": "started+trailers",
        "http.response.body": Fork("more_body", "streaming+trailers", "trailers", _FILES),
        "http.response.pathsend": "trailers",
    },
    "streaming": {
        "http.response.early_hint": "streaming",
        "http.response.body": Fork("more_body", "streaming", "done", _FILES),
    },
    "streaming+trailers": {
        "http.response.early_hint": "streaming+trailers",
        "http.response.body": Fork("more_body", "streaming+trailers", "trailers", _FILES),
    },
    "trailers": {"http.response.trailers": Fork("more_trailers", "trailers", "done")},
    "done": {},
}

_WEBSOCKET: dict[str, Row] = {
    "start": {
        "websocket.accept": "open",
        "websocket.close": "denied",  # answered with 403
        "websocket.http.response.start": "denying",
    },
    "open": {
        "websocket.send": "open",
        "websocket.keepalive": "open",
        "websocket.close": "closed",
    },
    "denying": {"websocket.http.response.body": Fork("more_body", "denying", "denied")},
    "denied": {},
    "closed": {},
}

_SSE: dict[str, Row] = {
    "start": {"sse.start": "open"},
    "open": {
        "sse.send": "open",
        "sse.comment": "open",
        "sse.keepalive": "open",
        "sse.close": "closed",
    },
    "closed": {"sse.close": "closed"},  # saying it twice does nothing
}

_LIFESPAN: dict[str, Row] = {
    "start": {"lifespan.startup.complete": "started", "lifespan.startup.failed": "failed"},
    "started": {"lifespan.shutdown.complete": "stopped", "lifespan.shutdown.failed": "failed"},
    "failed": {},
    "stopped": {},
}

DECLINE = "declined: "
"""Prefix of the states of an sse exchange that is answered with an ordinary response."""

# The original's names for a decline; the ordinary ones do as well.
DECLINE_NAMES = {
    "sse.http.response.start": "http.response.start",
    "sse.http.response.body": "http.response.body",
}


def _declined(target: str | Fork) -> str | Fork:
    if isinstance(target, Fork):
        return Fork(target.flag, DECLINE + target.when_set, DECLINE + target.when_clear, target.unless)
    return target if target == "start" else DECLINE + target


def _sse() -> dict[str, Row]:
    """The sse table, with every row of http behind its first one: a decline is an http answer."""
    ordinary = {name: plain for plain in ("http.response.start", "http.response.body") for name in (plain, f"sse.{plain}")}
    table = {state: dict(row) for state, row in _SSE.items()}
    for state, row in _HTTP.items():
        declined = table.setdefault(state if state == "start" else DECLINE + state, {})
        declined.update({name: _declined(target) for name, target in row.items()})
        declined.update({name: _declined(row[plain]) for name, plain in ordinary.items() if plain in row})
    return table


TRANSITIONS: dict[str, dict[str, Row]] = {"http": _HTTP, "websocket": _WEBSOCKET, "sse": _sse(), "lifespan": _LIFESPAN}
"""`TRANSITIONS[kind][state][event type]` is the next state, or the `Fork` that leads to it."""

START: dict[str, str] = dict.fromkeys(TRANSITIONS, "start")
"""The state of an exchange that has sent nothing."""

FINAL: dict[str, frozenset[str]] = {
    "http": frozenset({"done"}),
    "websocket": frozenset({"denied", "closed"}),
    "sse": frozenset({"closed", f"{DECLINE}done"}),
    "lifespan": frozenset({"failed", "stopped"}),
}
"""The states in which nothing is missing any more."""

IGNORED: frozenset[str] = frozenset({"http.response.early_hint"})
"""Events that are legal once the head was given, and then dropped: the hint comes too late to help, and harms nobody."""

_HTTP_WORDS = {
    "start": "nothing was sent yet",
    "started": "the head was given and no body yet",
    "started+trailers": "the head was given, trailers were announced and no body came yet",
    "streaming": "the body is being sent",
    "streaming+trailers": "the body is being sent, trailers were announced",
    "trailers": "the body is whole and the announced trailers are missing",
    "done": "the answer is complete",
}

MEANING: dict[str, dict[str, str]] = {
    "http": _HTTP_WORDS,
    "websocket": {
        "start": "the handshake is not answered yet",
        "open": "the WebSocket is open",
        "denying": "the handshake is being denied",
        "denied": "the handshake was denied",
        "closed": "the application has closed the WebSocket",
    },
    "sse": {
        "start": "nothing was sent yet",
        "open": "the event stream is open",
        "closed": "the application has closed the event stream",
        **{DECLINE + state: f"the event stream was declined and {words}" for state, words in _HTTP_WORDS.items() if state != "start"},
    },
    "lifespan": {
        "start": "start-up is not answered yet",
        "started": "start-up is complete",
        "failed": "a failure was reported",
        "stopped": "shutdown is complete",
    },
}
"""Every state in words."""


class EventOutOfOrder(AppError):
    """The application sent an event that may not come now."""

    def __init__(self, kind: str, state: str, event_type: str) -> None:
        follows = expected(kind, state)
        remedy = f"expected {' or '.join(follows)}" if follows else "nothing may follow"
        super().__init__(f"{event_type!r} is out of order on {kind}: {MEANING[kind][state]}; {remedy}")
        self.kind = kind
        self.state = state
        self.event_type = event_type


def _step(target: str | Fork) -> str | tuple[str, str, str, tuple[str, ...]]:
    # A plain tuple: unpacking a NamedTuple costs 0.1 us, and `advance` runs for every event.
    return target if isinstance(target, str) else (target.flag, target.when_set, target.when_clear, target.unless)


_STEPS = {
    kind: {state: {name: _step(target) for name, target in row.items()} for state, row in table.items()}
    for kind, table in TRANSITIONS.items()
}


def expected(kind: str, state: str) -> tuple[str, ...]:
    """The event types that may come in `state`, in the order of the table.

    >>> expected("http", "trailers")
    ('http.response.trailers',)
    """
    return tuple(TRANSITIONS[kind][state])


def advance(kind: str, state: str, event: Mapping[str, Any]) -> str:
    """The state after `event`. Looks at the order alone; `check` looks at the fields.

    >>> advance("http", START["http"], {"type": "http.response.start", "status": 200})
    'started'
    >>> advance("http", "started", {"type": "http.response.body", "more_body": True})
    'streaming'

    Raises:
        EventOutOfOrder: the event may not come now.
        BadEvent: it is no event of this kind at all.
    """
    try:
        target = _STEPS[kind][state][event["type"]]
    except (KeyError, TypeError):
        raise _refusal(kind, state, event) from None
    if isinstance(target, str):
        return target
    flag, when_set, when_clear, unless = target
    if not event.get(flag):
        return when_clear
    for name in unless:
        if name in event and event[name] is not None:
            return when_clear
    return when_set


def is_final(kind: str, state: str) -> bool:
    """True once nothing is missing: the answer is complete, the WebSocket or stream closed, the shutdown answered.

    >>> is_final("http", "trailers"), is_final("http", "done")
    (False, True)
    """
    return state in FINAL[kind]


def _refusal(kind: str, state: str, event: object) -> AppError:
    name = type_of(event)
    if isinstance(name, str) and name in FORMS[kind]:
        return EventOutOfOrder(kind, state, name)
    return unknown_event(kind, event)
