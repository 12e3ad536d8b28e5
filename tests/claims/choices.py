"""The table of what may be set elsewhere, read: what of ours stands for it, or why nothing does. And its page."""

import sys
from pathlib import Path
from typing import Literal

import msgspec

TABLE = Path(__file__).with_name("server_options.toml")

Status = Literal["option", "other means", "not here", "later"]

ABOUT = """\
<!-- Written by `make docs` from tests/claims/server_options.toml, not by hand. -->

# What may be set elsewhere, and what it is here

Every option of PAGI's server and runner, the original in Perl, and every flag of uvicorn and hypercorn; beside each what of pagi's
stands for it, by its name in Python (the [reference](server.md) has all spellings), or why there is nothing of the kind.
"""


class Choice(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing that may be set elsewhere."""

    theirs: str
    options: tuple[str, ...] = ()
    """Server options of ours, by their names in Python."""
    parameters: tuple[str, ...] = ()
    """What a command of ours takes beside them."""
    ours: str = ""
    """What is to be said of these, or what takes their place."""
    not_here: str = ""
    """Why there is nothing of the kind."""
    later: str = ""
    """What has to come before its options are there."""

    @property
    def status(self) -> Status:
        """What became of it."""
        if self.later:
            return "later"
        if self.not_here:
            return "not here"
        return "option" if self.options or self.parameters else "other means"


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The choices of one part."""

    title: str
    rows: tuple[Choice, ...]


class Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of it."""

    section: tuple[Section, ...]


def choices() -> tuple[Section, ...]:
    """The table, in its order."""
    return msgspec.toml.decode(TABLE.read_bytes(), type=Table).section


def page(table: tuple[Section, ...]) -> str:
    """The whole page."""
    return "\n".join([ABOUT, *(_section(section) for section in table)])


def _section(section: Section) -> str:
    rows = "\n".join(_row(choice) for choice in section.rows)
    return f"## {section.title}\n\n| there | here |\n|---|---|\n{rows}\n"


def _row(choice: Choice) -> str:
    names = [f"`{name}`" for name in (*choice.options, *choice.parameters)]
    parts = [", ".join(names)] if names else []
    if choice.ours:
        parts.append(f"{choice.ours}.")
    if choice.not_here:
        parts.append(f"**Not here:** {choice.not_here}.")
    if choice.later:
        parts.append(f"**Later:** with {choice.later}.")
    if names and len(parts) > 1:
        parts[0] += "."
    return f"| {choice.theirs} | {' '.join(parts)} |"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(choices()), encoding="utf-8")
