"""HTTP dates: one form out, three forms in."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagi.http.dates import http_date, parse_date

MOMENT = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC)


@pytest.mark.parametrize("value", ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"])
def test_all_three_forms_are_read(value: str) -> None:
    assert parse_date(value) == MOMENT


def test_a_datetime_is_written_in_gmt() -> None:
    assert http_date(MOMENT.astimezone(timezone(timedelta(hours=5)))) == "Sun, 06 Nov 1994 08:49:37 GMT"


def test_a_datetime_without_timezone_is_refused() -> None:
    with pytest.raises(ValueError, match="timezone"):
        http_date(MOMENT.replace(tzinfo=None))


@pytest.mark.parametrize(
    "value",
    [
        "",
        "0",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Foo 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT\n",
        "Sun, 06 Nov 0000 08:49:37 GMT",
        "Sun Nov 00 08:49:37 1994",
        "Sun, ٠٦ Nov 1994 08:49:37 GMT",
    ],
)
def test_what_is_no_date_is_none(value: str) -> None:
    assert parse_date(value) is None


def test_a_leap_second_counts_as_the_one_before() -> None:
    assert parse_date("Sat, 31 Dec 2016 23:59:60 GMT") == datetime(2016, 12, 31, 23, 59, 59, tzinfo=UTC)


@pytest.mark.parametrize(("year", "read"), [("26", 2026), ("76", 2076), ("77", 1977), ("99", 1999), ("00", 2000)])
def test_two_digit_years_lie_at_most_fifty_years_ahead(year: str, read: int) -> None:
    parsed = parse_date(f"Sunday, 06-Nov-{year} 08:49:37 GMT", now=datetime(2026, 1, 1, tzinfo=UTC))
    assert parsed is not None
    assert parsed.year == read


@given(st.integers(min_value=0, max_value=253402300799))
def test_every_second_survives_writing_and_reading(second: int) -> None:
    parsed = parse_date(http_date(second))
    assert parsed is not None
    assert parsed.timestamp() == second
