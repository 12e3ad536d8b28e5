"""A mapping that complains: a missing key is an error that lists the keys there are. With typed keys, one place per name."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from types import UnionType
from typing import Any, ClassVar, Generic, overload

from typing_extensions import TypeVar

T = TypeVar("T")
D = TypeVar("D")

_MOST_NAMES_LISTED = 10
_ABSENT = object()


class Key(Generic[T]):
    """A name that knows the type of what it leads to."""

    __slots__ = ("name", "value_type")

    def __init__(self, name: str, value_type: type[T] | UnionType | None = None) -> None:
        self.name = name
        self.value_type = value_type

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


class MissingKey(KeyError):
    """The mapping holds nothing under this key."""

    def __init__(self, holder: str, name: str, present: list[str]) -> None:
        self.name = name
        if not present:
            there = f"the {holder} is empty"
        elif len(present) <= _MOST_NAMES_LISTED:
            there = f"there are {', '.join(present)}"
        else:
            there = f"there are {len(present)} others"
        super().__init__(f"the {holder} has no {name!r}; {there}. Use get() where it may be missing")

    def __str__(self) -> str:
        return str(self.args[0])


class StrictMapping(ABC):
    """Names and typed keys of one name are one place. What is done to entries on their way is for a subclass to say."""

    __slots__ = ()

    holder: ClassVar[str]
    """How errors call this mapping."""

    @abstractmethod
    def _entries(self) -> dict[str, Any]:
        """The entries, to be read."""

    def _changing(self, name: str) -> dict[str, Any]:
        """The entries, the one of this name to be changed."""
        return self._entries()

    def _given(self, key: Key[Any] | str, value: Any) -> Any:
        """What is given out for an entry."""
        return value

    def _kept(self, key: Key[Any] | str, value: Any) -> Any:
        """What is kept of a value that is assigned."""
        return value

    @overload
    def __getitem__(self, key: Key[T]) -> T: ...
    @overload
    def __getitem__(self, key: str) -> Any: ...
    def __getitem__(self, key: Key[Any] | str) -> Any:
        name, entries = name_of(key), self._entries()
        if name not in entries:
            raise MissingKey(self.holder, name, sorted(entries))
        return self._given(key, entries[name])

    @overload
    def __setitem__(self, key: Key[T], value: T) -> None: ...
    @overload
    def __setitem__(self, key: str, value: Any) -> None: ...
    def __setitem__(self, key: Key[Any] | str, value: Any) -> None:
        name = name_of(key)
        self._changing(name)[name] = self._kept(key, value)

    def __delitem__(self, key: Key[Any] | str) -> None:
        name = name_of(key)
        entries = self._changing(name)
        if name not in entries:
            raise MissingKey(self.holder, name, sorted(entries))
        del entries[name]

    def __contains__(self, key: Key[Any] | str) -> bool:
        return self.get(key, _ABSENT) is not _ABSENT

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries())

    def __len__(self) -> int:
        return len(self._entries())

    @overload
    def get(self, key: Key[T]) -> T | None: ...
    @overload
    def get(self, key: Key[T], default: D) -> T | D: ...
    @overload
    def get(self, key: str, default: Any = None) -> Any: ...
    def get(self, key: Key[Any] | str, default: Any = None) -> Any:
        """What is there, or `default`."""
        name, entries = name_of(key), self._entries()
        if name not in entries:
            return default
        try:
            return self._given(key, entries[name])
        except MissingKey:
            return default

    def __repr__(self) -> str:
        return f"{type(self).__name__}({sorted(self._entries())})"


def name_of(key: Key[Any] | str) -> str:
    """The name that a key stands for."""
    return key if isinstance(key, str) else key.name
