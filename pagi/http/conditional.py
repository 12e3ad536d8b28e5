"""Conditional requests (RFC 9110 sections 8.8 and 13): entity tags, preconditions and their order. Knows no files and no answers."""

import re
from collections.abc import Iterable
from datetime import datetime
from enum import Enum
from typing import Literal, NamedTuple

from pagi.http.dates import parse_date
from pagi.http.headers import Headers

# No escapes in here: a backslash is a character like any other (section 8.8.3).
_TAG = re.compile(r'(?P<weak>W/)?"(?P<opaque>[\x21\x23-\x7e\x80-\xff]*)"')
_ELEMENT = re.compile(rf"{_TAG.pattern}[ \t]*(?=,|\Z)")
_BETWEEN = re.compile(r"[ \t,]*")

AnyTag = Literal["*"]

_SAFE = frozenset({"GET", "HEAD"})


class EntityTag(NamedTuple):
    """One version of a representation. `opaque` is what stands between the quotes.

    >>> str(EntityTag("v1")), str(EntityTag("v1", is_weak=True))
    ('"v1"', 'W/"v1"')
    """

    opaque: str
    is_weak: bool = False

    def __str__(self) -> str:
        return f'W/"{self.opaque}"' if self.is_weak else f'"{self.opaque}"'

    def is_exactly(self, other: "EntityTag") -> bool:
        """The same bytes: equal, and neither of them weak (strong comparison, section 8.8.3.2)."""
        return self.opaque == other.opaque and not self.is_weak and not other.is_weak

    def is_like(self, other: "EntityTag") -> bool:
        """Equal, weak or not (weak comparison, section 8.8.3.2)."""
        return self.opaque == other.opaque


def parse_entity_tag(value: str) -> EntityTag | None:
    """The tag that an ETag field holds; None where it is none.

    >>> parse_entity_tag('W/"v1"'), parse_entity_tag("v1")
    (EntityTag(opaque='v1', is_weak=True), None)
    """
    found = _TAG.fullmatch(value.strip(" \t"))
    return _tag(found) if found is not None else None


def parse_entity_tags(fields: Iterable[str]) -> list[EntityTag] | AnyTag:
    """The tags of If-Match or If-None-Match, or `"*"`. What is malformed is left out, and so never matches.

    >>> parse_entity_tags(['"a", W/"b,c"', "d"])
    [EntityTag(opaque='a', is_weak=False), EntityTag(opaque='b,c', is_weak=True)]
    """
    value = ", ".join(fields)
    if value.strip(" \t") == "*":
        return "*"
    tags: list[EntityTag] = []
    position = _after_separators(value, 0)
    while position < len(value):
        found = _ELEMENT.match(value, position)
        if found is not None:
            tags.append(_tag(found))
            position = found.end()
        else:
            comma = value.find(",", position)
            position = comma if comma >= 0 else len(value)
        position = _after_separators(value, position)
    return tags


def _after_separators(value: str, position: int) -> int:
    found = _BETWEEN.match(value, position)
    return found.end() if found is not None else position


def _tag(found: re.Match[str]) -> EntityTag:
    return EntityTag(found["opaque"], found["weak"] is not None)


class Verdict(Enum):
    """What is to become of a conditional request."""

    PROCEED = "the method is carried out"
    NOT_MODIFIED = "304: the client has it already"
    FAILED = "412: it is not what the client believes it to be"


def evaluate(
    method: str, headers: Headers, *, etag: EntityTag | None = None, last_modified: datetime | None = None, exists: bool = True
) -> Verdict:
    """What the preconditions of a request come to, for what is there now, in the order of RFC 9110 section 13.2.2.

    To be asked only where the answer would be a 2xx without them. `last_modified` is aware. With neither validator given only
    `*` can hold.
    """
    if "if-match" in headers:
        tags = parse_entity_tags(headers.get_all("if-match"))
        if not _holds(tags, exists, etag, strong=True):
            return Verdict.FAILED
    elif last_modified is not None and (date := _date(headers, "if-unmodified-since")) and _second(last_modified) > date:
        return Verdict.FAILED
    if "if-none-match" in headers:
        tags = parse_entity_tags(headers.get_all("if-none-match"))
        if _holds(tags, exists, etag, strong=False):
            return Verdict.NOT_MODIFIED if method in _SAFE else Verdict.FAILED
    elif method in _SAFE and last_modified is not None:
        date = _date(headers, "if-modified-since")
        if date is not None and _second(last_modified) <= date:
            return Verdict.NOT_MODIFIED
    return Verdict.PROCEED


def range_applies(headers: Headers, *, etag: EntityTag | None = None, last_modified: datetime | None = None) -> bool:
    """False where If-Range names another version than this one: then Range is ignored (RFC 9110 section 13.1.5).

    A tag is compared strongly, a date exactly.
    """
    values = headers.get_all("if-range")
    if not values:
        return True
    if len(values) > 1:
        return False
    tag = parse_entity_tag(values[0])
    if tag is not None:
        return etag is not None and tag.is_exactly(etag)
    date = parse_date(values[0].strip(" \t"))
    return date is not None and last_modified is not None and date == _second(last_modified)


def _holds(tags: list[EntityTag] | AnyTag, exists: bool, etag: EntityTag | None, *, strong: bool) -> bool:
    if isinstance(tags, str):
        return exists
    if etag is None or not exists:
        return False
    return any(etag.is_exactly(tag) if strong else etag.is_like(tag) for tag in tags)


def _date(headers: Headers, name: str) -> datetime | None:
    """The date of a field; None, which is to ignore it, where there is none, more than one, or something else."""
    values = headers.get_all(name)
    return parse_date(values[0].strip(" \t")) if len(values) == 1 else None


def _second(moment: datetime) -> datetime:
    # HTTP dates have whole seconds: what changed within one cannot be told from it.
    return moment.replace(microsecond=0)
