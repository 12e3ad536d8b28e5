"""Cursors: ours are known again, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagi.channels.cursors import MOST_CURSOR_CHARACTERS, Epoch, told_back

EPOCH = Epoch()


@given(st.integers(0, 10**18 - 1))
def test_a_cursor_is_read_as_it_was_made(sequence: int) -> None:
    cursor = EPOCH.cursor(sequence)
    assert EPOCH.sequence(cursor) == sequence
    assert cursor.isascii()
    assert len(cursor) <= 31


def test_the_one_before_the_first_is_any_epochs() -> None:
    assert EPOCH.sequence("0") == Epoch().sequence("0") == 0


def test_no_epoch_knows_the_cursors_of_another() -> None:
    assert Epoch().sequence(EPOCH.cursor(1)) is None


@given(st.text())
def test_no_text_is_taken_for_a_cursor_and_none_raises(text: str) -> None:
    assert text == "0" or EPOCH.sequence(text) is None


@given(st.text(st.sampled_from("0123456789-+_ \n\0\u0661\uff11e.x"), max_size=30))
def test_only_plain_digits_number_an_item(text: str) -> None:
    sequence = EPOCH.sequence(f"{EPOCH.name}-{text}")
    assert sequence is None or EPOCH.cursor(sequence) == f"{EPOCH.name}-{text}"


@pytest.mark.parametrize("text", ["{}-01", "{}-", "{}", "{}--1", "{}-1-1", "{}-1000000000000000000", "x{}-1", "{}-1\n"])
def test_a_cursor_has_one_spelling(text: str) -> None:
    assert EPOCH.sequence(text.format(EPOCH.name)) is None


@given(st.text(st.characters(), max_size=500))
def test_what_is_told_back_is_short_and_has_a_utf_8_form(text: str) -> None:
    told = told_back(text)
    told.encode()
    assert len(told) <= MOST_CURSOR_CHARACTERS
