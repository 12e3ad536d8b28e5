"""The tables of facts, read: what the original's tests say, and which tests say it here."""

from collections import Counter
from pathlib import Path
from typing import Literal, cast, get_args

import msgspec

HERE = Path(__file__).parent
FRAMEWORK = HERE / "framework.toml"
SERVER = HERE / "server.toml"

Status = Literal["tested", "different", "not here", "later"]
STATUSES = cast("tuple[Status, ...]", get_args(Status))


class Fact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that the original's tests say."""

    says: str
    beside_tests: bool = False
    """It is so in the original, though no test there says it."""
    ours: str = ""
    """The rule that took its place, where pagi decided otherwise."""
    not_here: str = ""
    """Why pagi has nothing of the kind, and will not."""
    later: str = ""
    """What has to come before there can be a test."""
    tests: tuple[str, ...] = ()
    """Node ids without parameters, from the root of the repository."""

    @property
    def status(self) -> Status:
        """Whether it holds here, holds otherwise, has no place here, or is to come."""
        if self.later:
            return "later"
        if self.not_here:
            return "not here"
        return "different" if self.ours else "tested"


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The facts about one part."""

    number: str
    title: str
    fact: tuple[Fact, ...]


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of it."""

    section: tuple[Section, ...]


def sections(table: Path) -> tuple[Section, ...]:
    """A table, in its order."""
    return msgspec.toml.decode(table.read_bytes(), type=Table).section


def counted(facts: tuple[Fact, ...]) -> Counter[Status]:
    """How many facts there are of each status."""
    return Counter(fact.status for fact in facts)
