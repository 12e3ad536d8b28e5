"""The account of what a TLS line has not sent, against one that is kept byte by byte."""

from hypothesis import given
from hypothesis import strategies as st

from pagi.server.transports.sealed_bytes import LONG, SealedBytes

OVERHEAD = 22
WRITES = st.lists(st.tuples(st.integers(0, 40_000), st.integers(0, 60_000)), max_size=100)
"""Plain bytes written, and then sealed bytes that the operating system takes, if there are as many."""


def test_nothing_written_is_nothing_unsent() -> None:
    assert SealedBytes().unsent(0) == 0


def test_what_is_held_whole_is_unsent_whole() -> None:
    account = SealedBytes()
    account.wrote(100, 100 + OVERHEAD)
    assert account.unsent(100 + OVERHEAD) == 100


def test_a_write_alone_does_not_look_like_progress() -> None:
    account = SealedBytes()
    account.wrote(1000, 1000 + OVERHEAD)
    written, before = 1000, account.unsent(500)
    for _ in range(50):
        account.wrote(10, 10 + OVERHEAD)
        written += 10
    assert written - account.unsent(500 + 50 * (10 + OVERHEAD)) == 1000 - before


def test_bytes_that_stand_for_nothing_are_no_progress_either() -> None:
    account = SealedBytes()
    account.wrote(0, 500)
    assert account.unsent(500) == 0
    account.wrote(10, 32)
    assert account.unsent(532) == account.unsent(100) == 10


def test_the_account_of_many_small_writes_is_short_once_they_left() -> None:
    account = SealedBytes()
    for _ in range(LONG):
        assert not account.is_long
        account.wrote(1, 23)
    assert account.is_long
    account.unsent(23)
    assert not account.is_long


@given(WRITES)
def test_the_unsent_is_right_to_a_record_and_moves_only_when_something_left(steps: list[tuple[int, int]]) -> None:
    account = SealedBytes()
    held: list[int] = []
    written = 0
    progress = 0
    for plain, taken in steps:
        account.wrote(plain, plain + OVERHEAD)
        written += plain
        held.append(plain + OVERHEAD)
        assert written - account.unsent(sum(held)) == progress
        left = taken
        while held and left >= held[0]:
            left -= held.pop(0)
        if held:
            held[0] -= left
        unsent = account.unsent(sum(held))
        whole = sum(max(size - OVERHEAD, 0) for size in held)
        assert whole <= unsent <= sum(held)
        assert held or not unsent
        assert written - unsent >= progress
        progress = written - unsent
