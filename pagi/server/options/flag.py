"""How an option is told to an operator, and the kinds of numbers that options are."""

from typing import Annotated, TypeAlias

import msgspec

KIB = 1024
MIB = 1024 * KIB


class Flag:
    """How one option appears on the command line: `--name`, and the sentence `--help` shows.

    `unit` is what a value is, in one word, where neither the option's name nor its type tells it: `FILE`. `separator` stands between
    the values of a list where they come as one text.
    """

    __slots__ = ("help", "name", "separator", "unit")

    def __init__(self, name: str, *, help: str, unit: str | None = None, separator: str = ",") -> None:
        self.name = name
        self.help = help
        self.unit = unit
        self.separator = separator


Bytes: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]
Seconds: TypeAlias = Annotated[float, msgspec.Meta(ge=0)]
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]
