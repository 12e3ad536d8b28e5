"""Values as a debug page shows them: short, whatever they are, and with secrets masked at every depth."""

import dataclasses
from collections import deque
from collections.abc import Iterable
from typing import Any, cast

import msgspec

from pagi.messages.masking import MASK, Masker, is_secret

MOST_CHARACTERS = 1500
"""Of one value."""
MOST_ITEMS = 30
"""Of one container."""
MOST_DEPTH = 5

_BRACKETS: dict[type, tuple[str, str]] = {
    list: ("[", "]"),
    tuple: ("(", ")"),
    set: ("{", "}"),
    frozenset: ("frozenset({", "})"),
    deque: ("deque([", "])"),
}


class _Full(Exception):
    """Enough was written."""


def shown(value: object, masker: Masker) -> str:
    """Like `repr`, but bounded and masked. A `__repr__` that fails is said to fail.

    >>> shown({"user": "ada", "password": "x", "pairs": [(b"cookie", b"a=b")]}, Masker())
    "{'user': 'ada', 'password': ••••••, 'pairs': [(b'cookie', ••••••)]}"
    """
    writer = _Writer(masker)
    try:
        writer.write(value, 0)
    except _Full:
        return "".join(writer.parts)[:MOST_CHARACTERS] + " …"
    return "".join(writer.parts)


def shown_named(name: str, value: object, masker: Masker) -> str:
    """The value of a variable, parameter or field: masked whole if its name is a secret's."""
    return MASK if is_secret(name) and not _says_nothing(value) else shown(value, masker)


def _says_nothing(value: object) -> bool:
    """What may be seen even of a secret: that there is none, or that it is code."""
    return value is None or value is True or value is False or isinstance(value, type) or type(value).__name__ in ("function", "module")


class _Writer:
    """Writes one value in parts, until it has written enough."""

    def __init__(self, masker: Masker) -> None:
        self.parts: list[str] = []
        self._left = MOST_CHARACTERS
        self._masker = masker

    def write(self, value: object, depth: int) -> None:
        """Adds a value.

        Raises:
            _Full: there is no room for the whole of it.
        """
        kind: type = type(value)
        if kind in (str, bytes, bytearray):
            self._add(_text(cast("str | bytes | bytearray", value), self._masker))
        elif depth >= MOST_DEPTH:
            self._add("…")
        elif kind is dict:
            self._entries(cast("dict[object, object]", value), depth)
        elif kind in _BRACKETS:
            self._items(cast("Iterable[object]", value), kind, depth)
        elif (fields := _fields(value)) is not None:
            self._structure(kind.__name__, fields, depth)
        else:
            self._add(self._masker.text(_told(value)))

    def _entries(self, value: dict[object, object], depth: int) -> None:
        self._add("{")
        for count, (key, item) in enumerate(value.items()):
            self._separate(count)
            self.write(key, depth + 1)
            self._add(": ")
            self._named(key, item, depth)
        self._add("}")

    def _items(self, value: Iterable[object], kind: type, depth: int) -> None:
        opening, closing = _BRACKETS[kind]
        items = list(value) if kind in (list, tuple) else value
        self._add(opening)
        if isinstance(items, list) and len(items) == 2 and _text_of(items[0]) is not None:
            # A header field, a form field: a name and its value.
            self.write(items[0], depth + 1)
            self._add(", ")
            self._named(items[0], items[1], depth)
        else:
            for count, item in enumerate(items):
                self._separate(count)
                self.write(item, depth + 1)
            if kind is tuple and isinstance(items, list) and len(items) == 1:
                self._add(",")
        self._add(closing)

    def _structure(self, name: str, fields: list[tuple[str, object]], depth: int) -> None:
        self._add(f"{name}(")
        for count, (key, item) in enumerate(fields):
            self._separate(count)
            self._add(f"{key}=")
            self._named(key, item, depth)
        self._add(")")

    def _named(self, key: object, item: object, depth: int) -> None:
        name = _text_of(key)
        if name is not None and is_secret(name) and not _says_nothing(item):
            self._add(MASK)
        else:
            self.write(item, depth + 1)

    def _separate(self, count: int) -> None:
        if count >= MOST_ITEMS:
            raise _Full
        if count:
            self._add(", ")

    def _add(self, text: str) -> None:
        self.parts.append(text)
        self._left -= len(text)
        if self._left < 0:
            raise _Full


def _text(value: str | bytes | bytearray, masker: Masker) -> str:
    if isinstance(value, str):
        return repr(masker.text(value))
    # Masked as text: what was learned is known as text.
    hidden = masker.text(value[: 4 * MOST_CHARACTERS].decode("latin-1"))
    written = "".join(MASK if index else repr(part.encode("latin-1", "replace"))[2:-1] for index, part in _around_masks(hidden))
    quoted = f"b'{written}'"
    return quoted if isinstance(value, bytes) else f"bytearray({quoted})"


def _around_masks(text: str) -> Iterable[tuple[int, str]]:
    """The stretches of a text between its masks: (0, stretch), and (1, mask) between them."""
    for number, part in enumerate(text.split(MASK)):
        if number:
            yield 1, MASK
        yield 0, part


def _text_of(key: object) -> str | None:
    if isinstance(key, str):
        return key[:200]
    return key[:200].decode("latin-1") if isinstance(key, bytes) else None


def _fields(value: Any) -> list[tuple[str, object]] | None:
    """The fields of a dataclass or a struct that shows them in its own repr; None for everything else."""
    kind = cast("Any", type(value))
    try:
        if isinstance(value, msgspec.Struct) and kind.__repr__ is msgspec.Struct.__repr__:
            return [(name, getattr(value, name)) for name in kind.__struct_fields__]
        # The repr that a dataclass makes is wrapped against recursion, one that its author wrote is not.
        if dataclasses.is_dataclass(value) and hasattr(kind.__repr__, "__wrapped__"):
            return [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value) if field.repr]
    except Exception:
        return None  # a field that was never set
    return None


def _told(value: object) -> str:
    try:
        return repr(value)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return f"<{type(value).__name__} whose repr failed: {type(error).__name__}>"
