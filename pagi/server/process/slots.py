"""Places for workers and who stands in them, and the seams of the fleet that keeps them filled."""

from collections.abc import Callable
from signal import Signals
from typing import Protocol

import msgspec

from pagi.server.process.channel import Channel, Failed, Order, Status, Word
from pagi.server.process.waiting import Appointment, Readable


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How long a worker may take for what it does. 0: no limit."""

    boot_seconds: float
    """From its start until it serves."""
    stall_seconds: float
    """Without a word, once it serves."""
    end_seconds: float
    """From being told to end until it is killed."""


class Process(Protocol):
    """A worker's process."""

    @property
    def pid(self) -> int: ...
    @property
    def channel(self) -> Channel[Word]: ...
    def send(self, order: Order) -> None: ...
    def signal(self, number: Signals) -> None: ...
    def poll(self) -> int | None: ...
    def let_go(self) -> None: ...


class Clock(Protocol):
    """What waits for the fleet."""

    def now(self) -> float: ...
    def at(self, when: float, call: Callable[[], None]) -> Appointment: ...
    def watch(self, source: Readable, call: Callable[[], None]) -> None: ...
    def forget(self, source: Readable) -> None: ...


class Owner(Protocol):
    """Whom the fleet tells how it goes."""

    def started(self) -> None:
        """All workers serve, for the first time."""
        ...

    def failed_to_start(self, failure: Failed) -> None:
        """A worker could not start, before all of them ever served."""
        ...

    def fresh(self) -> None:
        """A worker began to serve, or one that had begun to is gone."""
        ...

    def refused(self, slot: "Slot", failure: Failed) -> None:
        """A worker that was to take the place of another could not start."""
        ...

    def told(self, worker: "Worker", status: Status) -> None:
        """A worker answered an `Ask`."""
        ...

    def gone(self) -> None:
        """After `stop`: the last worker ended."""
        ...


class Worker:
    """One process, and what is known of it."""

    __slots__ = (
        "began_at",
        "failure",
        "generation",
        "heard_at",
        "is_leaving",
        "is_silent",
        "limit",
        "process",
        "ready_at",
        "slot",
        "watched",
    )

    def __init__(self, process: Process, slot: "Slot", generation: int, now: float) -> None:
        self.process = process
        self.slot = slot
        self.generation = generation
        self.began_at = self.heard_at = now
        self.ready_at: float | None = None
        self.failure: Failed | None = None
        self.is_leaving = False
        """It was told to end."""
        self.is_silent = False
        """It said nothing for longer than it may."""
        self.limit: Appointment | None = None
        """When it is killed."""
        self.watched = True
        """Its channel is open."""

    def __str__(self) -> str:
        return f"worker {self.slot.number} (pid {self.process.pid})"


class Slot:
    """A worker's place: who serves there, and who is about to."""

    __slots__ = ("coming", "delay", "insists", "number", "restart", "serving")

    def __init__(self, number: int) -> None:
        self.number = number
        self.serving: Worker | None = None
        self.coming: Worker | None = None
        self.restart: Appointment | None = None
        self.delay = 0.0
        self.insists = False
        """Who serves is to be replaced, however often its successor fails to start."""


def counted(workers: int) -> str:
    """So many of them, in words.

    >>> counted(1), counted(4)
    ('1 worker', '4 workers')
    """
    return f"{workers} worker{'' if workers == 1 else 's'}"
