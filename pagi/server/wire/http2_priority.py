"""How urgent an answer is, in the client's words (RFC 9218)."""

import re
from functools import lru_cache

# A member of a dictionary (RFC 8941 section 3.2) with its parameters. What we need of it is an integer or a boolean.
_MEMBER = re.compile(rb"[ \t]*([a-z*][a-z0-9_.*-]*)(?:=([^;, \t]*))?(?:;[^,]*)?[ \t]*")
_URGENCY = re.compile(rb"[0-7]")

LEVELS = 8
DEFAULT_URGENCY = 3
MAX_PRIORITY_BYTES = 64
"""A longer value is not looked at."""


def read_priority(value: bytes) -> tuple[int, bool]:
    """Urgency, 0 the highest of 0 to 7, and whether the answer is of use in parts. What cannot be read counts as not said.

    >>> read_priority(b"u=1, i"), read_priority(b"u=9"), read_priority(b"")
    ((1, True), (3, False), (3, False))
    """
    return _read(value) if 0 < len(value) <= MAX_PRIORITY_BYTES else (DEFAULT_URGENCY, False)


@lru_cache(maxsize=256)
def _read(value: bytes) -> tuple[int, bool]:
    urgency, incremental = DEFAULT_URGENCY, False
    for text in value.split(b","):
        member = _MEMBER.fullmatch(text)
        if member is None:
            return DEFAULT_URGENCY, False  # no dictionary: "parsing MUST fail" as a whole (RFC 8941 section 4.2)
        name, given = member.groups()
        if name == b"u" and given is not None and _URGENCY.fullmatch(given):
            urgency = int(given)
        elif name == b"i" and given in (None, b"?1", b"?0"):
            incremental = given != b"?0"
    return urgency, incremental
