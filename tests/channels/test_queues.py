"""What waits for a reader: order, bounds, and what each policy does at the bound."""

from typing import get_args

import pytest

from pagi.channels.items import Entry
from pagi.channels.queues import Policy, Queue, queue_for


def entry(n: int, topic: str = "t") -> Entry:
    return Entry(str(n), topic, b"")


def drained(queue: Queue) -> list[str]:
    found: list[str] = []
    while (taken := queue.take()) is not None:
        found.append(taken.id)
    return found


@pytest.mark.parametrize("policy", get_args(Policy))
def test_entries_leave_in_the_order_they_came(policy: Policy) -> None:
    queue = queue_for(policy, 5)
    assert (queue.peek(), queue.take()) == (None, None)
    for n in range(5):
        queue.put(entry(n, f"topic {n}"))
    first = queue.peek()
    assert first is not None
    assert first.id == "0"
    assert drained(queue) == ["0", "1", "2", "3", "4"]
    assert (queue.dropped, queue.overflowed) == (False, False)


@pytest.mark.parametrize(
    ("policy", "left", "dropped", "overflowed"),
    [
        ("disconnect", ["0", "1", "2"], False, True),
        ("wait", ["0", "1", "2"], False, True),
        ("drop_oldest", ["2", "3", "4"], True, False),
        ("latest", ["4"], True, False),
    ],
)
def test_at_the_bound_each_policy_does_what_it_says(policy: Policy, left: list[str], dropped: bool, overflowed: bool) -> None:
    queue = queue_for(policy, 3)
    for n in range(5):
        queue.put(entry(n))
    assert (queue.dropped, queue.overflowed) == (dropped, overflowed)
    assert drained(queue) == left


def test_what_overflowed_takes_no_more_even_when_it_was_emptied() -> None:
    queue = queue_for("disconnect", 1)
    queue.put(entry(1))
    assert queue.put(entry(2))
    assert drained(queue) == ["1"]
    assert queue.put(entry(3))
    assert drained(queue) == []


@pytest.mark.parametrize("policy", ["disconnect", "wait", "drop_oldest"])
@pytest.mark.parametrize(("capacity", "pressed"), [(1, [True, True]), (2, [True, True, True]), (4, [False, True, True, True, True])])
def test_the_publisher_is_told_from_half_full_on(policy: Policy, capacity: int, pressed: list[bool]) -> None:
    queue = queue_for(policy, capacity)
    assert [queue.put(entry(n)) for n in range(len(pressed))] == pressed


def test_full_is_when_another_would_be_too_many() -> None:
    queue = queue_for("wait", 2)
    seen: list[bool] = []
    for n in range(2):
        queue.put(entry(n))
        seen.append(queue.is_full)
    queue.take()
    seen.append(queue.is_full)
    assert seen == [False, True, False]


def test_the_latest_of_a_topic_takes_its_place_at_the_end() -> None:
    queue = queue_for("latest", 1)
    for n, topic in enumerate("abcab"):
        queue.put(entry(n, topic))
    assert drained(queue) == ["2", "3", "4"]
    assert queue.dropped
    assert not queue.is_full


@pytest.mark.parametrize("policy", get_args(Policy))
def test_an_emptied_queue_tells_of_nothing_that_was_in_it(policy: Policy) -> None:
    queue = queue_for(policy, 1)
    queue.put(entry(1))
    queue.put(entry(2))
    queue.clear()
    assert (queue.take(), queue.dropped, queue.overflowed) == (None, False, False)
