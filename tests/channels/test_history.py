"""History: what is kept, what goes, and that nothing goes without a trace."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pagi.channels.history import ENTRY_BYTES, History, HistoryOptions


class Bench:
    """A history with a clock that stands still, and small bounds."""

    def __init__(self, **options: Any) -> None:
        self.now = 0.0
        self.sequence = 0
        bounds: dict[str, Any] = {"items": 3, "seconds": 10.0, "total_bytes": 100_000, "topics": 100, **options}
        self.history = History(HistoryOptions(**bounds), lambda: self.now)

    def add(self, *topics: str, size: int = 0) -> None:
        for topic in topics:
            self.sequence += 1
            self.history.add(f"e-{self.sequence}", topic, b"x" * size, self.sequence)

    def held(self, *topics: str, behind: int = 0) -> list[int]:
        return [entry.sequence for entry in self.history.since(topics, behind)]

    def lost(self, *topics: str) -> int:
        return self.history.lost(topics)


def test_what_was_added_is_held_in_order_over_all_topics_asked_for() -> None:
    bench = Bench()
    bench.add("a", "b", "c", "b", "a")
    assert bench.held("a", "b") == [1, 2, 4, 5]
    assert bench.held("b", "a", behind=2) == [4, 5]
    assert bench.held("a", behind=5) == []
    assert bench.held("never") == []
    assert bench.lost("a", "b", "c", "never") == 0


def test_a_topic_keeps_its_newest_items() -> None:
    bench = Bench()
    bench.add("a", "b", "a", "a", "a", "a")
    assert bench.held("a") == [4, 5, 6]
    assert (bench.lost("a"), bench.lost("b"), bench.lost("a", "b")) == (3, 0, 3)


def test_what_is_too_old_goes() -> None:
    bench = Bench()
    bench.add("a", "b")
    bench.now = 6.0
    bench.add("a")
    bench.now = 10.0
    assert bench.held("a", "b") == [1, 2, 3]
    bench.now = 10.1
    assert bench.held("a", "b") == [3]
    assert (bench.lost("a"), bench.lost("b")) == (1, 2)


def test_age_may_be_without_bound() -> None:
    bench = Bench(seconds=None)
    bench.add("a")
    bench.now = 1e9
    bench.add("b")
    assert bench.held("a", "b") == [1, 2]


def test_silent_topics_are_forgotten_while_others_speak() -> None:
    bench = Bench()
    bench.add(*(f"room {n}" for n in range(50)))
    assert len(bench.history) == 50
    bench.now = 11.0
    bench.add(*["loud"] * 26)
    assert len(bench.history) == 1
    assert bench.history.total_bytes == 3 * ENTRY_BYTES
    assert bench.lost("room 7") == 8


def test_no_history_at_all_keeps_nothing_and_says_so() -> None:
    bench = Bench(items=0)
    bench.add("a", "b", "a")
    assert bench.held("a", "b") == []
    assert (bench.lost("a"), bench.lost("b"), bench.history.total_bytes) == (3, 2, 0)


def test_beyond_the_most_topics_the_one_that_was_silent_longest_is_forgotten() -> None:
    bench = Bench(topics=2)
    bench.add("a", "b", "a", "c")
    assert bench.held("a", "b", "c") == [1, 3, 4]
    assert (bench.lost("a"), bench.lost("b"), bench.lost("c")) == (0, 2, 0)


def test_topics_that_were_forgotten_long_ago_are_lost_as_far_as_any_of_them_was() -> None:
    bench = Bench(topics=2)
    bench.add(*(f"room {n}" for n in range(1, 8)))
    # 4 and 5 are remembered as gone, 1 to 3 are not. 6 and 7 began when 1 and 2 were remembered no more: for all that was
    # known then, they could have been 1 and 2.
    assert [bench.lost(f"room {n}") for n in range(1, 8)] == [3, 3, 3, 4, 5, 1, 2]
    assert bench.lost("never") == 3
    bench.add("room 1")
    assert bench.lost("room 1") == 3


def test_all_topics_together_have_a_bound_in_bytes() -> None:
    bench = Bench(total_bytes=4 * (ENTRY_BYTES + 100))
    bench.add("a", "a", "b", "b", size=100)
    assert bench.held("a", "b") == [1, 2, 3, 4]
    bench.add("b", size=100)
    assert bench.held("a", "b") == [2, 3, 4, 5]
    bench.add("c", "c", size=100)
    assert bench.held("a", "b", "c") == [4, 5, 6, 7]
    assert (bench.lost("a"), bench.lost("b")) == (2, 3)


def test_an_item_larger_than_all_room_is_lost_at_once() -> None:
    bench = Bench(total_bytes=1000)
    bench.add("a", "b")
    bench.add("a", size=1000)
    assert bench.held("a", "b") == []
    assert (bench.lost("a"), bench.history.total_bytes, len(bench.history)) == (3, 0, 0)


names = st.sampled_from([f"t{n}" for n in range(6)])


@given(
    st.lists(st.tuples(names, st.integers(0, 300), st.sampled_from([0.0, 0.0, 4.0, 11.0]))),
    st.integers(0, 4),
    st.sampled_from([5.0, 10.0, None]),
    st.integers(0, 3000),
    st.integers(0, 5),
)
def test_every_item_is_either_held_or_known_to_be_lost(
    steps: list[tuple[str, int, float]], items: int, seconds: float | None, total_bytes: int, topics: int
) -> None:
    bench = Bench(items=items, seconds=seconds, total_bytes=total_bytes, topics=topics)
    published: dict[str, list[int]] = {f"t{n}": [] for n in range(6)}
    for topic, size, pause in steps:
        bench.now += pause
        bench.add(topic, size=size)
        published[topic].append(bench.sequence)
        assert bench.history.total_bytes <= total_bytes
        assert len(bench.history) <= topics
    for topic, sequences in published.items():
        held, lost = bench.held(topic), bench.lost(topic)
        assert held == [sequence for sequence in sequences if sequence > lost] or sequences == [] == held
        assert len(held) <= items
    assert bench.history.total_bytes >= 0
