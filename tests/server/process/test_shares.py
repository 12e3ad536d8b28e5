"""A worker leaves a connection to one that holds fewer, but does not wait for one that takes nothing."""

import os
from collections.abc import Iterator

import pytest

from pagi.server.process.shares import MOST_TIMES, PLACES, SLACK, Share, Shares


class Second:
    """A clock that stands."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def table() -> Iterator[Shares]:
    """A table without anybody in it."""
    table = Shares.made()
    yield table
    os.close(table.descriptor)


def three(table: Shares) -> list[Share]:
    """Three workers that hold nothing yet."""
    taken: list[int] = []
    for _ in range(3):
        taken.append(table.free_place(taken))
    shares = [table.at(place) for place in taken]
    for share in shares:
        share.hold(0)
    return shares


def test_a_few_more_than_the_others_are_no_reason(table: Shares) -> None:
    first, *_ = three(table)
    assert [first.gives_way(count) for count in range(SLACK + 1)] == [False] * (SLACK + 1)


def test_who_holds_many_more_gives_way_and_who_holds_few_does_not(table: Shares) -> None:
    first, second, third = three(table)
    first.hold(20)
    second.hold(10)
    third.hold(10)
    assert first.gives_way(20)
    assert not second.gives_way(10)


def test_of_large_numbers_an_eighth_more_is_no_reason(table: Shares) -> None:
    first, second, third = three(table)
    second.hold(8000)
    third.hold(8000)
    assert not first.gives_way(9000)
    assert first.gives_way(9200)


def test_a_worker_that_takes_nothing_is_waited_for_less_and_less(table: Shares) -> None:
    first, *_ = three(table)
    waits: list[int] = []
    for _ in range(5):
        count = 0
        while first.gives_way(20):
            count += 1
        waits.append(count)
    assert waits == [8, 4, 2, 1, 1]
    assert waits[0] == MOST_TIMES


def test_once_it_takes_one_it_is_waited_for_again(table: Shares) -> None:
    first, second, third = three(table)
    for _ in range(4):
        while first.gives_way(20):
            pass
    second.hold(1)
    third.hold(1)
    assert [first.gives_way(20) for _ in range(MOST_TIMES + 1)] == [True] * MOST_TIMES + [False]


def test_who_accepts_nothing_any_more_does_not_count(table: Shares) -> None:
    first, second, third = three(table)
    second.leave()
    third.hold(20)
    assert not first.gives_way(20)


def test_whoever_was_cleared_does_not_count(table: Shares) -> None:
    first, second, third = three(table)
    third.hold(20)
    second.hold(1)
    table.clear(2)
    assert not first.gives_way(20)


def test_alone_nobody_is_waited_for(table: Shares) -> None:
    alone = table.at(table.free_place([]))
    alone.hold(0)
    assert not alone.gives_way(10_000)


def test_where_connections_come_and_go_fast_nobody_is_waited_for(table: Shares) -> None:
    three(table)
    clock = Second()
    share = Share(table.at(1)._counts, 1, clock)  # pyright: ignore[reportPrivateUsage]
    assert share.gives_way(15)
    for _ in range(320):
        share.let_go(15)
    assert not share.gives_way(15)
    clock.now += 1
    assert not share.gives_way(15)
    clock.now += 2
    assert share.gives_way(15)


def test_a_place_that_was_left_is_given_again_and_is_empty(table: Shares) -> None:
    three(table)
    table.at(2).hold(500)
    assert table.free_place([1, 3]) == 2
    assert table.at(1).gives_way(30)
    assert table.free_place([1, 2, 3]) == 4


def test_a_table_has_an_end(table: Shares) -> None:
    assert table.free_place(range(1, PLACES)) == 0
    table.clear(0)
