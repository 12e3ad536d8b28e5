"""What a path parameter may look like, and what it becomes; each by the name it has in a pattern."""

import builtins
import dataclasses
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pagi.http.errors import ConfigError
from pagi.routing.expressions import BadExpression, bounded

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_INT64 = range(-(2**63), 2**63)
_SAFE_LENGTH = 19
"""Any shorter text is of a 64-bit integer; the longest has one character more, its sign."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Converter:
    """One kind of path parameter: `Router(converters={"slug": Converter(regex=r"[a-z0-9]+(?:-[a-z0-9]+)*")})` serves `{post:slug}`.

    `parse` may raise ValueError: then the path does not match. `spell` is its inverse, unescaped.

    Raises:
        ConfigError: `regex` is no regular expression, or one that some paths could keep busy for long.
    """

    regex: str
    parse: Callable[[str], Any] = str
    spell: Callable[[Any], str] = str
    type: builtins.type = str
    """What `parse` returns; a handler's annotation must suit it."""
    spans: bool = False
    """The value may hold slashes."""
    name: str = ""
    """What stands behind the colon; a table of converters gives it."""

    def __post_init__(self) -> None:
        try:
            bounded(self.regex)
        except BadExpression as error:
            raise ConfigError(f"the regular expression {self.regex!r} {error}") from error


def _int64(text: str) -> int:
    # The table lets digits of any script and in any number come here, see `Table`.
    if text.isascii():
        if len(text) < _SAFE_LENGTH:
            return int(text)
        if len(text) <= _SAFE_LENGTH + 1 and int(text) in _INT64:
            return int(text)
    raise ValueError("no 64-bit integer")


def _plain(value: float) -> str:
    """Digits without an exponent.

    >>> _plain(1e-7)
    '0.0000001'
    """
    return format(Decimal(repr(float(value))), "f")


STR = Converter(name="str", regex=r"[^/]+")

INT = Converter(name="int", regex=r"-?[0-9]{1,19}", parse=_int64, type=int)

FLOAT = Converter(name="float", regex=r"-?[0-9]{1,19}(?:\.[0-9]{1,19})?", parse=float, spell=_plain, type=float)

CONVERTERS: dict[str, Converter] = {
    "str": STR,
    "int": INT,  # what is larger fits no column of a database, and Python itself gives up at some thousand digits
    "float": FLOAT,
    "uuid": Converter(
        name="uuid", regex=r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}", parse=uuid.UUID, type=uuid.UUID
    ),
    "path": Converter(name="path", regex=r".+", spans=True),
}
"""The converters every router knows. A table handed to `parse_pattern` may hold more."""


def named(converters: Mapping[str, Converter]) -> dict[str, Converter]:
    """A router's own converters, each with the name it goes by.

    Raises:
        ConfigError: a name cannot stand in a pattern, or is taken by what every router knows.
    """
    for name in converters:
        if not _KEY.fullmatch(name):
            raise ConfigError(f"converter {name!r} cannot stand in a pattern; its name is letters, digits and underscores")
        if name in CONVERTERS:
            raise ConfigError(f"converter {name!r} is one that every router knows; give yours another name")
    return {name: dataclasses.replace(converter, name=name) for name, converter in converters.items()}


def by_regex(regex: str) -> Converter:
    """The converter of `{name:re(...)}`: one segment that matches `regex` whole, as text.

    Raises:
        ConfigError: see `Converter`.
    """
    return Converter(name=f"re({regex})", regex=regex)
