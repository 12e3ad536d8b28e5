"""Fields that many heads have in common, kept once. Thousands of streams lie idle, and browsers send the same ten fields with each."""

from functools import lru_cache

from pagi.gateway.types import HeaderList

SHARED_BYTES = 256
"""A longer value is kept by each head that has it."""
SHARED_FIELDS = 1024
"""The fields used last, and no more."""

_OWN = frozenset((b"authorization", b"cookie", b"proxy-authorization", b"last-event-id", b"sec-websocket-key"))
"""Nobody else's business, or never the same twice."""


def shared(headers: HeaderList) -> HeaderList:
    """The same fields in a list of its own; those that other heads had as well are the same objects."""
    return [pair if pair[0] in _OWN or len(pair[1]) > SHARED_BYTES else _kept_once(pair) for pair in headers]


@lru_cache(maxsize=SHARED_FIELDS)
def _kept_once(pair: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    return pair
