"""What every store does, whatever is behind it: one table of stores, one suite."""

from collections.abc import Callable

import pytest

from pagi.stores import MemoryStore, NotACounter, Store
from tests.clock import Clock

pytestmark = pytest.mark.anyio


STORES: dict[str, Callable[[Clock], Store]] = {"memory": lambda clock: MemoryStore(clock=clock)}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, clock: Clock) -> Store:
    return STORES[request.param](clock)


async def test_what_is_not_there_is_none(store: Store) -> None:
    assert await store.get("a") is None
    assert not await store.delete("a")
    assert not await store.touch("a", seconds=10)


@pytest.mark.parametrize("key", ["a", "", "ü:1 \n", "x" * 500])
async def test_a_value_comes_back_as_it_was(store: Store, key: str) -> None:
    assert await store.set(key, b"\x00\xff", seconds=10)
    assert await store.get(key) == b"\x00\xff"
    assert await store.set(key, b"", seconds=10)
    assert await store.get(key) == b""
    assert await store.delete(key)
    assert await store.get(key) is None


async def test_a_value_is_gone_when_its_time_is_over(store: Store, clock: Clock) -> None:
    await store.set("a", b"1", seconds=10)
    clock.now += 9.9
    assert await store.get("a") == b"1"
    clock.now += 0.2
    assert await store.get("a") is None
    assert not await store.delete("a")
    assert not await store.touch("a", seconds=10)


async def test_a_touch_prolongs_and_a_look_does_not(store: Store, clock: Clock) -> None:
    for key in "ab":
        await store.set(key, b"1", seconds=10)
    clock.now += 9
    assert await store.touch("a", seconds=10)
    assert await store.get("b") == b"1"
    clock.now += 9
    assert (await store.get("a"), await store.get("b")) == (b"1", None)


async def test_a_new_value_has_a_new_time(store: Store, clock: Clock) -> None:
    await store.set("a", b"1", seconds=100)
    await store.set("a", b"2", seconds=1)
    clock.now += 2
    assert await store.get("a") is None


async def test_a_value_can_be_replaced_only_where_it_still_is(store: Store, clock: Clock) -> None:
    assert not await store.set("a", b"1", seconds=10, if_present=True)
    assert await store.get("a") is None
    await store.set("a", b"1", seconds=10)
    assert await store.set("a", b"2", seconds=10, if_present=True)
    assert await store.get("a") == b"2"
    clock.now += 11
    assert not await store.set("a", b"3", seconds=10, if_present=True)


async def test_a_counter_counts_and_its_window_stays(store: Store, clock: Clock) -> None:
    assert await store.increment("n", seconds=10) == 1
    clock.now += 9
    assert await store.increment("n", by=5, seconds=10) == 6
    assert await store.get("n") == b"6"
    clock.now += 2
    assert await store.increment("n", by=-1, seconds=10) == -1


async def test_what_is_no_number_is_not_counted(store: Store) -> None:
    await store.set("a", b"x", seconds=10)
    with pytest.raises(NotACounter, match="'a' cannot be counted up"):
        await store.increment("a", seconds=10)
    assert await store.get("a") == b"x"
