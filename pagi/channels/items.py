"""What passes through a topic: the item that a reader gets, the gap where items are missing, and the entry that carries them."""

from typing import Generic, TypeVar

import msgspec

T_co = TypeVar("T_co", covariant=True)


class Item(msgspec.Struct, Generic[T_co], frozen=True):
    """Something that was published. `id` is the cursor behind it: subscribe `after` it to go on from there."""

    id: str
    topic: str
    """The topic's name."""
    data: T_co


class Gap(msgspec.Struct, frozen=True):
    """Items are missing here: history no longer holds them, the reader was too slow, or the cursor is none of ours.

    What the reader built from earlier items may be out of date: it does well to ask for the whole anew.
    """

    after: str
    """The cursor behind which items are missing, as it was asked for; a very long one is cut."""
    first: str | None
    """The oldest item that is still held behind it; None if there is none."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """An item as a backend hands it to its readers: encoded once, and shared by all of them."""

    id: str
    topic: str
    data: bytes
