"""The store in memory: bounded in entries and in what it keeps beside them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagi import ConfigError
from pagi.stores import MemoryStore
from tests.clock import Clock

pytestmark = pytest.mark.anyio


async def test_the_one_that_was_not_asked_for_the_longest_makes_room() -> None:
    store = MemoryStore(max_entries=3)
    for key in "abc":
        await store.set(key, b"", seconds=10)
    await store.get("a")
    await store.touch("b", seconds=10)
    await store.set("d", b"", seconds=10)
    assert [key for key in "abcd" if await store.get(key) is not None] == ["a", "b", "d"]


async def test_what_has_expired_makes_room_first() -> None:
    clock = Clock()
    store = MemoryStore(max_entries=2, clock=clock)
    await store.set("old", b"", seconds=100)
    await store.set("short", b"", seconds=1)
    clock.now += 2
    await store.set("new", b"", seconds=100)
    assert (await store.get("old"), len(store)) == (b"", 2)


async def test_replacing_needs_no_room() -> None:
    store = MemoryStore(max_entries=2)
    for key in "abab":
        await store.set(key, b"", seconds=10)
    assert len(store) == 2


async def test_touching_for_ever_keeps_nothing_for_it() -> None:
    clock = Clock()
    store = MemoryStore(clock=clock)
    await store.set("a", b"", seconds=10)
    for _ in range(1000):
        clock.now += 1
        assert await store.touch("a", seconds=10)
    assert len(store._deadlines) <= 67  # pyright: ignore[reportPrivateUsage]
    clock.now += 11
    assert len(store) == 0


def test_a_store_for_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="at least 1, got 0"):
        MemoryStore(max_entries=0)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.sampled_from("abcde"), st.integers(1, 5)),
        st.tuples(st.just("touch"), st.sampled_from("abcde"), st.integers(1, 5)),
        st.tuples(st.just("delete"), st.sampled_from("abcde"), st.just(0)),
        st.tuples(st.just("wait"), st.just(""), st.integers(1, 3)),
    ),
    max_size=60,
)


@given(steps=STEPS)
async def test_it_agrees_with_a_plain_dict_of_deadlines(steps: list[tuple[str, str, int]]) -> None:
    clock = Clock()
    store = MemoryStore(clock=clock)
    expected: dict[str, float] = {}
    for step, key, number in steps:
        expected = {name: deadline for name, deadline in expected.items() if deadline > clock.now}
        if step == "set":
            await store.set(key, b"", seconds=number)
            expected[key] = clock.now + number
        elif step == "touch":
            assert await store.touch(key, seconds=number) is (key in expected)
            if key in expected:
                expected[key] = clock.now + number
        elif step == "delete":
            assert await store.delete(key) is (expected.pop(key, None) is not None)
        else:
            clock.now += number
    assert len(store) == sum(deadline > clock.now for deadline in expected.values())
    for key, deadline in expected.items():
        assert (await store.get(key) is not None) is (deadline > clock.now)
