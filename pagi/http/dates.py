"""HTTP dates: written in the one preferred form, read in all three (RFC 9110 section 5.6.7)."""

import re
from datetime import UTC, datetime
from time import gmtime

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_LONG_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_DAY = f"(?:{'|'.join(_DAYS)})"
_MONTH = f"(?P<month>{'|'.join(_MONTHS)})"
_TIME = r"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_FORMS = (
    re.compile(rf"{_DAY}, (?P<day>[0-9]{{2}}) {_MONTH} (?P<year>[0-9]{{4}}) {_TIME} GMT"),
    re.compile(rf"(?:{'|'.join(_LONG_DAYS)}), (?P<day>[0-9]{{2}})-{_MONTH}-(?P<year>[0-9]{{2}}) {_TIME} GMT"),
    re.compile(rf"{_DAY} {_MONTH} (?P<day>[ 0-9][0-9]) {_TIME} (?P<year>[0-9]{{4}})"),
)


def http_date(moment: datetime | float) -> str:
    """`moment`, an aware datetime or seconds since the epoch, as IMF-fixdate; fractions of a second are dropped.

    >>> http_date(784111777)
    'Sun, 06 Nov 1994 08:49:37 GMT'

    Raises:
        ValueError: a datetime without timezone.
    """
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise ValueError(f"{moment!r} has no timezone; use an aware datetime such as datetime.now(UTC)")
        utc = moment.astimezone(UTC).timetuple()
    else:
        utc = gmtime(moment)
    year, month, day, hour, minute, second, weekday, _, _ = utc
    return f"{_DAYS[weekday]}, {day:02d} {_MONTHS[month - 1]} {year:04d} {hour:02d}:{minute:02d}:{second:02d} GMT"


def parse_date(value: str, *, now: datetime | None = None) -> datetime | None:
    """The moment that `value` names, in UTC, or None where it is no HTTP date: recipients ignore such fields.

    A two-digit year that would lie over 50 years after `now` (default: the clock's) is taken from the century before.
    The name of the day is not compared with the date.

    >>> parse_date("Sunday, 06-Nov-94 08:49:37 GMT").year
    1994
    """
    for form in _FORMS:
        match = form.fullmatch(value)
        if match:
            break
    else:
        return None
    year = int(match["year"])
    if len(match["year"]) == 2:
        this_year = (now or datetime.now(UTC)).year
        year += this_year - this_year % 100
        if year > this_year + 50:
            year -= 100
    try:
        return datetime(
            year,
            _MONTHS.index(match["month"]) + 1,
            int(match["day"]),
            int(match["hour"]),
            int(match["minute"]),
            # 60 is a leap second, which datetime does not have.
            59 if match["second"] == "60" else int(match["second"]),
            tzinfo=UTC,
        )
    except ValueError:
        return None
