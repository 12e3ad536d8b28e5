"""What a path parameter may look like, and what it becomes; each by the name it has in a pattern."""

import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Converter:
    """One kind of path parameter.

    `parse` may raise ValueError: then the path does not match. `spell` is its inverse, unescaped.
    """

    name: str
    regex: str
    parse: Callable[[str], Any]
    spell: Callable[[Any], str]
    type: type
    """What `parse` returns; a handler's annotation must suit it."""
    spans: bool = False
    """The value may hold slashes."""


def _text(value: object) -> str:
    return str(value)


STR = Converter("str", r"[^/]+", str, _text, str)

CONVERTERS: dict[str, Converter] = {
    "str": STR,
    "int": Converter("int", r"-?[0-9]+", int, _text, int),
    "float": Converter("float", r"-?[0-9]+(?:\.[0-9]+)?", float, _text, float),
    "uuid": Converter("uuid", r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}", uuid.UUID, _text, uuid.UUID),
    "path": Converter("path", r".+", str, _text, str, spans=True),
}
"""The converters every router knows. A table handed to `parse_pattern` may hold more."""


def by_regex(regex: str) -> Converter:
    """The converter of `{name:re(...)}`: one segment that matches `regex` whole, as text.

    Raises:
        re.error: `regex` is no regular expression.
    """
    re.compile(regex)
    return Converter(f"re({regex})", regex, str, _text, str)
