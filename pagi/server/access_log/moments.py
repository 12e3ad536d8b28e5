"""The moment of a line, as text: always UTC, and never in the words of a locale. Many lines share a second, so the last ones are kept."""

import time
from functools import lru_cache

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@lru_cache(maxsize=2)
def iso(when: int) -> str:
    """Seconds since the epoch as RFC 3339 writes them.

    >>> iso(1770726896)
    '2026-02-10T12:34:56Z'
    """
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when))


@lru_cache(maxsize=2)
def common(when: int) -> str:
    """Seconds since the epoch as the Common Log Format writes them, without the brackets.

    >>> common(1770726896)
    '10/Feb/2026:12:34:56 +0000'
    """
    year, month, day, hour, minute, second, _, _, _ = time.gmtime(when)
    return f"{day:02d}/{_MONTHS[month - 1]}/{year:04d}:{hour:02d}:{minute:02d}:{second:02d} +0000"
