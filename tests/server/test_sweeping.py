"""When deadlines are looked at: every period, and not by a process that has only just come round."""

from collections.abc import Callable
from typing import Any

from pagi.server.deadlines import MOST_LEFT_OUT, Sweeper

PERIOD = 1.0


class Timer:
    """Not called off in these tests."""

    def cancel(self) -> None:
        """Does nothing."""


class Hours:
    """A runtime whose one timer comes as late as the test says, and the sweeps that came of it."""

    def __init__(self) -> None:
        self.time = 0.0
        self.deadline = 0.0
        self.fn: Callable[[], None] = lambda: None
        self.sweeps: list[float] = []
        self.ticks = 0
        runtime: Any = self
        Sweeper(runtime, PERIOD, self.tick, self.sweeps.append).start()

    def now(self) -> float:
        """As the test has it."""
        return self.time

    def at(self, deadline: float, fn: Callable[[], None]) -> Timer:
        """Keeps it for `turn`."""
        self.deadline, self.fn = deadline, fn
        return Timer()

    def tick(self) -> None:
        """Counts."""
        self.ticks += 1

    def turn(self, late: float = 0.0) -> bool:
        """The timer comes. Returns whether everybody was looked at, at that time."""
        self.time = self.deadline + late
        self.fn()
        return self.sweeps[-1:] == [self.time]


def test_everybody_is_looked_at_each_period() -> None:
    hours = Hours()
    assert [hours.turn() for _ in range(3)] == [True] * 3
    assert hours.sweeps == [1.0, 2.0, 3.0]


def test_a_late_turn_judges_nobody_before_the_sockets_were_looked_at() -> None:
    hours = Hours()
    assert [hours.turn(), hours.turn(late=90.0), hours.turn()] == [True, False, True]
    assert hours.sweeps[-1] == 2.0 + 90.0 + PERIOD


def test_a_turn_that_is_late_by_less_than_a_period_judges() -> None:
    assert Hours().turn(late=PERIOD)


def test_a_late_turn_uses_up_no_excuse() -> None:
    """As on a busy system: one turn comes late by chance, and the process stands still right after it."""
    hours = Hours()
    assert [hours.turn(late=1.1), hours.turn(late=90.0), hours.turn()] == [False, False, True]


def test_who_is_always_late_still_judges() -> None:
    hours = Hours()
    turns = [hours.turn(late=5.0) for _ in range(2 * MOST_LEFT_OUT + 2)]
    assert turns == ([False] * MOST_LEFT_OUT + [True]) * 2


def test_the_time_of_day_is_told_at_every_turn() -> None:
    hours = Hours()
    hours.turn()
    hours.turn(late=90.0)
    assert hours.ticks == 2
