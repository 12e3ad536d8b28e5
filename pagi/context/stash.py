"""The stash: a strict mapping for one exchange, shared by everything on its way, with typed keys."""

from collections.abc import Iterator
from typing import Any, Generic, overload

from typing_extensions import TypeVar

T = TypeVar("T")
D = TypeVar("D")

_MOST_NAMES_LISTED = 10


class StashKey(Generic[T]):
    """A key that knows what it leads to; the type may be left out where only a subscript can say it.

    >>> COUNT = StashKey("count", int)
    >>> stash = Stash()
    >>> stash[COUNT] = 1
    >>> stash[COUNT], stash["count"]
    (1, 1)
    """

    __slots__ = ("name", "value_type")

    def __init__(self, name: str, value_type: type[T] | None = None) -> None:
        self.name = name
        self.value_type = value_type

    def __repr__(self) -> str:
        return f"StashKey({self.name!r})"


class MissingKey(KeyError):
    """The stash holds nothing under this key."""

    def __init__(self, name: str, present: list[str]) -> None:
        self.name = name
        if not present:
            there = "the stash is empty"
        elif len(present) <= _MOST_NAMES_LISTED:
            there = f"there are {', '.join(present)}"
        else:
            there = f"there are {len(present)} others"
        super().__init__(f"nothing is stashed as {name!r}; {there}. Use get() where it may be missing")

    def __str__(self) -> str:
        return str(self.args[0])


class Stash:
    """What middleware and handlers of one exchange leave for each other. Names and typed keys of one name are one place."""

    __slots__ = ("_data",)

    def __init__(self, data: dict[str, Any] | None = None) -> None:
        self._data = {} if data is None else data

    @overload
    def __getitem__(self, key: StashKey[T]) -> T: ...
    @overload
    def __getitem__(self, key: str) -> Any: ...
    def __getitem__(self, key: StashKey[Any] | str) -> Any:
        name = _name(key)
        try:
            return self._data[name]
        except KeyError:
            raise MissingKey(name, sorted(self._data)) from None

    @overload
    def __setitem__(self, key: StashKey[T], value: T) -> None: ...
    @overload
    def __setitem__(self, key: str, value: Any) -> None: ...
    def __setitem__(self, key: StashKey[Any] | str, value: Any) -> None:
        self._data[_name(key)] = value

    def __delitem__(self, key: StashKey[Any] | str) -> None:
        name = _name(key)
        if name not in self._data:
            raise MissingKey(name, sorted(self._data))
        del self._data[name]

    def __contains__(self, key: StashKey[Any] | str) -> bool:
        return _name(key) in self._data

    def __iter__(self) -> Iterator[str]:
        return iter(self._data)

    def __len__(self) -> int:
        return len(self._data)

    @overload
    def get(self, key: StashKey[T]) -> T | None: ...
    @overload
    def get(self, key: StashKey[T], default: D) -> T | D: ...
    @overload
    def get(self, key: str, default: Any = None) -> Any: ...
    def get(self, key: StashKey[Any] | str, default: Any = None) -> Any:
        """What is stashed there, or `default`."""
        return self._data.get(_name(key), default)

    def __repr__(self) -> str:
        return f"Stash({sorted(self._data)})"


def _name(key: StashKey[Any] | str) -> str:
    return key if isinstance(key, str) else key.name
