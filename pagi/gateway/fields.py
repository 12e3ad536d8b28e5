"""What each event that an application sends must carry, as tables. Knows nothing of the order of events, nor of header syntax.

Fields that no table names are ignored: an application may be newer than its server. None is as good as absent.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias, cast

from pagi.gateway.forms import (
    BYTES,
    CODE,
    FLAG,
    HEADERS,
    LINKS,
    OPEN_FILE,
    PATH,
    SECONDS,
    SIZE,
    STATUS,
    TEXT,
    Field,
    Form,
    form,
    needed,
)  # fmt: skip
from pagi.http.errors import AppError


class BadEvent(AppError):
    """The application sent an event that does not exist on its scope type, or one with a missing or unusable field."""

    def __init__(self, kind: str, event_type: object, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.event_type = event_type


_HTTP: dict[str, Form] = {
    "http.response.start": form(status=needed(STATUS), headers=HEADERS, trailers=FLAG),
    "http.response.body": form(
        choice=("body", "file", "fh"), body=BYTES, file=PATH, fh=OPEN_FILE, offset=SIZE, length=SIZE, more_body=FLAG
    ),
    "http.response.trailers": form(headers=HEADERS, more_trailers=FLAG),
    "http.response.pathsend": form(path=needed(PATH)),
    "http.response.early_hint": form(links=needed(LINKS)),
}

_DENIAL_START = form(status=needed(STATUS), headers=HEADERS)
_DENIAL_BODY = form(body=BYTES, more_body=FLAG)

FORMS: dict[str, dict[str, Form]] = {
    "http": _HTTP,
    "websocket": {
        "websocket.accept": form(subprotocol=TEXT, headers=HEADERS),
        "websocket.send": form(choice=("bytes", "text"), choice_required=True, bytes=BYTES, text=TEXT),
        "websocket.close": form(code=CODE, reason=TEXT),
        "websocket.keepalive": form(interval=needed(SECONDS), timeout=SECONDS),
        "websocket.http.response.start": _DENIAL_START,
        "websocket.http.response.body": _DENIAL_BODY,
    },
    "sse": {
        "sse.start": form(status=STATUS, headers=HEADERS, retry=SIZE, keepalive=SECONDS),
        "sse.send": form(data=needed(TEXT), event=TEXT, id=TEXT, retry=SIZE, comment=TEXT),
        "sse.comment": form(comment=needed(TEXT)),
        "sse.keepalive": form(interval=needed(SECONDS), comment=TEXT),
        "sse.close": form(reason=TEXT, retry=SIZE),
        "sse.http.response.start": _DENIAL_START,
        "sse.http.response.body": _DENIAL_BODY,
        **_HTTP,
    },
    "lifespan": {
        "lifespan.startup.complete": form(),
        "lifespan.startup.failed": form(message=TEXT),
        "lifespan.shutdown.complete": form(),
        "lifespan.shutdown.failed": form(message=TEXT),
    },
}
"""`FORMS[kind][event type]`: every event that an application may send."""


# A plain tuple: unpacking a NamedTuple costs 0.1 us, and `check` runs for every event.
Plain: TypeAlias = dict[str, dict[str, tuple[dict[str, frozenset[type]], dict[str, Field], tuple[str, ...], tuple[str, ...], bool]]]


def plain(forms: Mapping[str, Mapping[str, Form]]) -> Plain:
    """A table of forms as `check` reads it."""
    return {
        kind: {name: (form.exact, form.fields, form.required, form.choice, form.choice_required) for name, form in row.items()}
        for kind, row in forms.items()
    }


_SENT = plain(FORMS)


def check(kind: str, event: Mapping[str, Any], forms: Plain = _SENT) -> None:
    """Looks at the fields of one event: `advance` of the grammar looks at the order, and the framing at the header bytes.

    `forms` are those of what applications send, unless it is another table.

    >>> check("sse", {"type": "sse.send", "data": "hello"})
    >>> check("sse", {"type": "sse.send"})
    Traceback (most recent call last):
        ...
    pagi.gateway.fields.BadEvent: 'sse.send' lacks 'data', which must be text (str)

    Raises:
        BadEvent: no such event on this kind, a field is missing, of the wrong type or out of range, or two exclude each other.
    """
    try:
        exact, fields, required, choice, choice_required = forms[kind][event["type"]]
    except (KeyError, TypeError):
        raise unknown_event(kind, event, forms) from None
    for name, value in event.items():
        types = exact.get(name)
        if types is not None and type(value) not in types and not fields[name].test(value):
            raise _bad_value(kind, event, name, fields[name])
    for name in required:
        if name not in event:
            raise BadEvent(kind, event["type"], f"{event['type']!r} lacks {name!r}, which must be {fields[name].words}")
    # `type` and one field cannot exclude each other: the usual event is spared the count.
    if choice and (choice_required or len(event) > 2):
        given = 0
        for name in choice:
            if name in event and event[name] is not None:
                given += 1
        if given > 1 or (choice_required and not given):
            raise _bad_choice(kind, event, choice)


def type_of(event: object) -> object:
    """What an event says it is; None for what is no event at all."""
    return cast("Mapping[str, object]", event).get("type") if isinstance(event, Mapping) else None


def unknown_event(kind: str, event: object, forms: Plain = _SENT) -> BadEvent:
    """The error for something that is no event of this kind."""
    name = type_of(event)
    if name is None:
        return BadEvent(kind, None, f"an event must be a dict with a 'type', got {_shown(event)}")
    known = ", ".join(forms[kind])
    does = "may send" if forms is _SENT else "is handed"
    return BadEvent(kind, name, f"{name!r} is no event that a {kind} application {does}; there are {known}")


def _bad_value(kind: str, event: Mapping[str, Any], name: str, field: Field) -> BadEvent:
    value = event[name]
    return BadEvent(kind, event["type"], f"{name!r} of {event['type']!r} must be {field.words}, got {_shown(value)}")


def _bad_choice(kind: str, event: Mapping[str, Any], choice: tuple[str, ...]) -> BadEvent:
    given = [name for name in choice if event.get(name) is not None]
    got = " and ".join(repr(name) for name in given) or "none"
    return BadEvent(kind, event["type"], f"{event['type']!r} takes one of {', '.join(choice)}, got {got}")


def _shown(value: object) -> str:
    # Numbers as they are; of anything else the type alone, because contents may be large or private.
    return repr(value) if isinstance(value, (int, float, type(None))) else type(value).__name__
