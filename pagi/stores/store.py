"""What is asked of a store: bytes under a key, for so many seconds."""

from typing import Protocol

from pagi.http.errors import AppError


class NotACounter(AppError):
    """A key that was to be counted up holds something else than a number."""

    def __init__(self, key: str) -> None:
        super().__init__(f"{key!r} cannot be counted up: it holds no number; keep counters and values under different keys")
        self.key = key


class Store(Protocol):
    """Bytes under text keys, each for a number of seconds. What has expired is absent, whoever asks."""

    async def get(self, key: str) -> bytes | None:
        """The value, or None where there is none."""
        ...

    async def set(self, key: str, value: bytes, *, seconds: float, if_present: bool = False) -> bool:
        """Keeps `value` for that long. With `if_present` only where there is a value to replace. True: it was kept."""
        ...

    async def delete(self, key: str) -> bool:
        """Forgets the value. True: there was one."""
        ...

    async def touch(self, key: str, *, seconds: float) -> bool:
        """Keeps the value that is there for that long from now. False: there is none."""
        ...

    async def increment(self, key: str, *, by: int = 1, seconds: float) -> int:
        """Counts up and gives the new number. A counter that is not there starts at 0 and lives that long; later calls do not prolong it.

        `get` gives a counter as its decimal digits.

        Raises:
            NotACounter: the key holds no number.
        """
        ...
