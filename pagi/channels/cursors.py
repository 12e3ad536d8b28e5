"""Cursors of one process: a count over all topics, behind an epoch that no other run shares."""

import re
import secrets
from typing import Final

START: Final = "0"
"""The cursor before the first item, of any process."""

MOST_CURSOR_CHARACTERS = 200
"""How much of a cursor that is none of ours is told back."""

_CURSOR = re.compile(r"([0-9a-f]{12})-([1-9][0-9]{0,17}|0)")


class Epoch:
    """Makes the ids of one run, and knows them again. They are short ASCII, fit for `Last-Event-ID`."""

    __slots__ = ("name",)

    def __init__(self) -> None:
        self.name = secrets.token_hex(6)

    def cursor(self, sequence: int) -> str:
        """The cursor behind the item of that number."""
        return f"{self.name}-{sequence}"

    def sequence(self, cursor: str) -> int | None:
        """The number of the item that a cursor stands behind; None if it is none that this run can have made."""
        if cursor == START:
            return 0
        found = _CURSOR.fullmatch(cursor)
        return int(found[2]) if found is not None and found[1] == self.name else None


def told_back(cursor: str) -> str:
    """A cursor that came from outside, as it can go out again: cut where it is long, and with a UTF-8 form.

    >>> told_back("x\\ud800")
    'x?'
    """
    return cursor[:MOST_CURSOR_CHARACTERS].encode("utf-8", "replace").decode()
