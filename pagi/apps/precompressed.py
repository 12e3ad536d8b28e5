"""Files that were compressed beforehand: `app.js.br` beside `app.js`, for clients that accept it (RFC 9110 section 12.5.3)."""

import re

from pagi.apps.file_tree import FileTree, OpenFile
from pagi.http.headers import parse_list

SUFFIXES = {"br": ".br", "zstd": ".zst", "gzip": ".gz"}
"""The smallest first: among those that a client wants alike it is the one to send."""

_WEIGHT = re.compile(r"[ \t]*q=(?P<weight>[01](?:\.[0-9]{0,3})?)[ \t]*", re.IGNORECASE)


def wanted(accept_encoding: str) -> list[str]:
    """The codings we may have that a client accepts, the one it wants most first. None are wanted that it does not name.

    >>> wanted("gzip, br;q=0.5, zstd;q=0"), wanted("gzip;q=0.5, identity"), wanted("*"), wanted("")
    (['gzip', 'br'], [], ['br', 'zstd', 'gzip'], [])
    """
    weights: dict[str, float] = {}
    for part in parse_list(accept_encoding.lower()):
        coding, _, parameter = part.partition(";")
        found = _WEIGHT.fullmatch(parameter)
        if found is not None or not parameter:
            weights.setdefault(coding.strip(" \t"), float(found["weight"]) if found is not None else 1.0)
    others, least = weights.get("*", 0.0), weights.get("identity", 0.0)
    offers = {coding: weights.get(coding, others) for coding in SUFFIXES}
    return sorted((coding for coding, weight in offers.items() if weight > 0 and weight >= least), key=lambda coding: -offers[coding])


def squeezed(tree: FileTree, file: OpenFile, accept_encoding: str) -> tuple[OpenFile, str] | None:
    """The form of `file` that the client wants most, of those that lie beside it, and its coding; None: it stays itself."""
    *folder, name = file.names
    for coding in wanted(accept_encoding):
        beside = tree.open((*folder, name + SUFFIXES[coding]))
        if beside is not None:
            return beside, coding
    return None
