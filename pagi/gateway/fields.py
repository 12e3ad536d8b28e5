"""What each event that an application sends must carry, as tables. Knows nothing of the order of events, nor of header syntax.

Fields that no table names are ignored: an application may be newer than its server. None is as good as absent.
"""

import math
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, cast

from pagi.http.errors import AppError


class BadEvent(AppError):
    """The application sent an event that does not exist on its scope type, or one with a missing or unusable field."""

    def __init__(self, kind: str, event_type: object, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.event_type = event_type


class Field(NamedTuple):
    """One field of an event: what its value may be."""

    words: str
    """For the error: "must be <words>"."""
    exact: frozenset[type]
    """Values of exactly these types need no further question."""
    test: Callable[[Any], bool]
    """Whether any other value will do."""
    required: bool = False


class Form(NamedTuple):
    """All fields of one event."""

    exact: dict[str, frozenset[type]]
    fields: dict[str, Field]
    required: tuple[str, ...]
    choice: tuple[str, ...]
    """Of these at most one may be given."""
    choice_required: bool
    """Of `choice` exactly one must be given."""


def _whole(low: int, high: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _instance(*types: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, types)


def _is_open_file(value: Any) -> bool:
    return callable(getattr(value, "read", None))


def _never(value: Any) -> bool:
    return False


def _is_duration(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def _is_header_list(value: Any) -> bool:
    # ASGI says "iterable", and applications do pass generators. Text and mappings are iterable by accident only.
    return isinstance(value, Iterable) and not isinstance(value, (str, bytes, bytearray, memoryview, Mapping))


_LARGEST = 2**63 - 1  # the agreement's integers are signed and 64 bits wide (reference 1.2)
_NONE = type(None)

_BYTES = Field("bytes", frozenset({bytes, bytearray, memoryview, _NONE}), _instance(bytes, bytearray))
_TEXT = Field("text (str)", frozenset({str, _NONE}), _instance(str))
_FLAG = Field("true or false", frozenset({bool, int, _NONE}), _never)
_HEADERS = Field("a list of (name, value) pairs of bytes", frozenset({list, tuple, _NONE}), _is_header_list)
_LINKS = Field("a list of bytes", frozenset({list, tuple, _NONE}), _is_header_list)
_SIZE = Field(f"an integer from 0 to {_LARGEST}", frozenset({_NONE}), _whole(0, _LARGEST))
_SECONDS = Field("a finite number of seconds, 0 or more", frozenset({_NONE}), _is_duration)
_PATH = Field("a path (str or os.PathLike)", frozenset({str, _NONE}), _instance(str, os.PathLike))
_OPEN_FILE = Field("a binary file open for reading", frozenset({_NONE}), _is_open_file)
# An interim status is no answer (RFC 9110 section 15.2); three digits are all a status line holds.
_STATUS = Field("an integer from 200 to 999", frozenset({_NONE}), _whole(200, 999))
_CODE = Field("an integer from 1000 to 4999", frozenset({_NONE}), _whole(1000, 4999))


def _needed(field: Field) -> Field:
    return field._replace(exact=field.exact - {_NONE}, required=True)


def _form(choice: tuple[str, ...] = (), choice_required: bool = False, **fields: Field) -> Form:
    exact = {name: field.exact for name, field in fields.items()}
    required = tuple(name for name, field in fields.items() if field.required)
    return Form(exact, fields, required, choice, choice_required)


_HTTP: dict[str, Form] = {
    "http.response.start": _form(status=_needed(_STATUS), headers=_HEADERS, trailers=_FLAG),
    "http.response.body": _form(
        choice=("body", "file", "fh"), body=_BYTES, file=_PATH, fh=_OPEN_FILE, offset=_SIZE, length=_SIZE, more_body=_FLAG
    ),
    "http.response.trailers": _form(headers=_HEADERS, more_trailers=_FLAG),
    "http.response.pathsend": _form(path=_needed(_PATH)),
    "http.response.early_hint": _form(links=_needed(_LINKS)),
}

_DENIAL_START = _form(status=_needed(_STATUS), headers=_HEADERS)
_DENIAL_BODY = _form(body=_BYTES, more_body=_FLAG)

FORMS: dict[str, dict[str, Form]] = {
    "http": _HTTP,
    "websocket": {
        "websocket.accept": _form(subprotocol=_TEXT, headers=_HEADERS),
        "websocket.send": _form(choice=("bytes", "text"), choice_required=True, bytes=_BYTES, text=_TEXT),
        "websocket.close": _form(code=_CODE, reason=_TEXT),
        "websocket.keepalive": _form(interval=_needed(_SECONDS), timeout=_SECONDS),
        "websocket.http.response.start": _DENIAL_START,
        "websocket.http.response.body": _DENIAL_BODY,
    },
    "sse": {
        "sse.start": _form(status=_STATUS, headers=_HEADERS, retry=_SIZE, keepalive=_SECONDS),
        "sse.send": _form(data=_needed(_TEXT), event=_TEXT, id=_TEXT, retry=_SIZE, comment=_TEXT),
        "sse.comment": _form(comment=_needed(_TEXT)),
        "sse.keepalive": _form(interval=_needed(_SECONDS), comment=_TEXT),
        "sse.close": _form(reason=_TEXT, retry=_SIZE),
        "sse.http.response.start": _DENIAL_START,
        "sse.http.response.body": _DENIAL_BODY,
        **_HTTP,
    },
    "lifespan": {
        "lifespan.startup.complete": _form(),
        "lifespan.startup.failed": _form(message=_TEXT),
        "lifespan.shutdown.complete": _form(),
        "lifespan.shutdown.failed": _form(message=_TEXT),
    },
}
"""`FORMS[kind][event type]`: every event that an application may send."""


def _plain(form: Form) -> tuple[dict[str, frozenset[type]], dict[str, Field], tuple[str, ...], tuple[str, ...], bool]:
    # A plain tuple: unpacking a NamedTuple costs 0.1 us, and `check` runs for every event.
    return form.exact, form.fields, form.required, form.choice, form.choice_required


_PLAIN = {kind: {name: _plain(form) for name, form in forms.items()} for kind, forms in FORMS.items()}


def check(kind: str, event: Mapping[str, Any]) -> None:
    """Looks at the fields of one event: `advance` of the grammar looks at the order, and the framing at the header bytes.

    >>> check("sse", {"type": "sse.send", "data": "hello"})
    >>> check("sse", {"type": "sse.send"})
    Traceback (most recent call last):
        ...
    pagi.gateway.fields.BadEvent: 'sse.send' lacks 'data', which must be text (str)

    Raises:
        BadEvent: no such event on this kind, a field is missing, of the wrong type or out of range, or two exclude each other.
    """
    try:
        exact, fields, required, choice, choice_required = _PLAIN[kind][event["type"]]
    except (KeyError, TypeError):
        raise unknown_event(kind, event) from None
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


def unknown_event(kind: str, event: object) -> BadEvent:
    """The error for something that is no event of this kind."""
    name = type_of(event)
    if name is None:
        return BadEvent(kind, None, f"an event must be a dict with a 'type', got {_shown(event)}")
    known = ", ".join(FORMS[kind])
    return BadEvent(kind, name, f"{name!r} is no event that a {kind} application may send; there are {known}")


def _bad_value(kind: str, event: Mapping[str, Any], name: str, field: Field) -> BadEvent:
    value = event[name]
    return BadEvent(kind, event["type"], f"{name!r} of {event['type']!r} must be {field.words}, got {_shown(value)}")


def _bad_choice(kind: str, event: Mapping[str, Any], choice: tuple[str, ...]) -> BadEvent:
    given = [name for name in choice if event.get(name) is not None]
    got = " and ".join(repr(name) for name in given) or "none"
    return BadEvent(kind, event["type"], f"{event['type']!r} takes one of {', '.join(choice)}, got {got}")


def _shown(value: object) -> str:
    # Numbers as they are; of anything else the type alone, because contents may be large or private.
    return repr(value) if isinstance(value, (int, float, _NONE)) else type(value).__name__
