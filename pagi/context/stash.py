"""The stash: a strict mapping for one exchange, shared by everything on its way, with typed keys."""

from typing import Any, ClassVar

from typing_extensions import TypeVar

from pagi.context.strict_mapping import Key, StrictMapping

T = TypeVar("T")


class StashKey(Key[T]):
    """A key that knows what it leads to; the type may be left out where only a subscript can say it.

    >>> COUNT = StashKey("count", int)
    >>> stash = Stash()
    >>> stash[COUNT] = 1
    >>> stash[COUNT], stash["count"]
    (1, 1)
    """

    __slots__ = ()


class Stash(StrictMapping):
    """What middleware and handlers of one exchange leave for each other. Names and typed keys of one name are one place."""

    __slots__ = ("_data",)

    holder: ClassVar[str] = "stash"

    def __init__(self, data: dict[str, Any] | None = None) -> None:
        self._data = {} if data is None else data

    def _entries(self) -> dict[str, Any]:
        return self._data
