"""What a field of an event may be: the words that the tables of `fields` and `received` are written in."""

import math
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple


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


def whole(low: int, high: int) -> Callable[[Any], bool]:
    """A test for integers from `low` to `high`."""
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def instance(*types: type) -> Callable[[Any], bool]:
    """A test for instances, those of subclasses too."""
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

BYTES = Field("bytes", frozenset({bytes, bytearray, memoryview, _NONE}), instance(bytes, bytearray))
TEXT = Field("text (str)", frozenset({str, _NONE}), instance(str))
FLAG = Field("true or false", frozenset({bool, int, _NONE}), _never)
HEADERS = Field("a list of (name, value) pairs of bytes", frozenset({list, tuple, _NONE}), _is_header_list)
LINKS = Field("a list of bytes", frozenset({list, tuple, _NONE}), _is_header_list)
SIZE = Field(f"an integer from 0 to {_LARGEST}", frozenset({_NONE}), whole(0, _LARGEST))
SECONDS = Field("a finite number of seconds, 0 or more", frozenset({_NONE}), _is_duration)
PATH = Field("a path (str or os.PathLike)", frozenset({str, _NONE}), instance(str, os.PathLike))
OPEN_FILE = Field("a binary file open for reading", frozenset({_NONE}), _is_open_file)
# An interim status is no answer (RFC 9110 section 15.2); three digits are all a status line holds.
STATUS = Field("an integer from 200 to 999", frozenset({_NONE}), whole(200, 999))
CODE = Field("an integer from 1000 to 4999", frozenset({_NONE}), whole(1000, 4999))


def needed(field: Field) -> Field:
    """The same field, of a form that is nothing without it."""
    return field._replace(exact=field.exact - {_NONE}, required=True)


def form(choice: tuple[str, ...] = (), choice_required: bool = False, **fields: Field) -> Form:
    """A form of these fields; of `choice` at most one may be given, or exactly one."""
    exact = {name: field.exact for name, field in fields.items()}
    required = tuple(name for name, field in fields.items() if field.required)
    return Form(exact, fields, required, choice, choice_required)
