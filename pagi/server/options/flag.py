"""How an option is told to an operator, and the kinds of numbers that options are."""

from typing import Annotated, TypeAlias

import msgspec

KIB = 1024
MIB = 1024 * KIB


class Flag:
    """How one option appears on the command line: `--name`, and the sentence `--help` shows."""

    __slots__ = ("help", "name")

    def __init__(self, name: str, *, help: str) -> None:
        self.name = name
        self.help = help


Bytes: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]
Seconds: TypeAlias = Annotated[float, msgspec.Meta(ge=0)]
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]
