"""Media types: reading them, choosing among them by Accept (RFC 9110 sections 8.3 and 12.5.1), guessing them from file names."""

import re
from collections.abc import Iterable
from typing import NamedTuple

from pagi.http.errors import PeerError
from pagi.http.headers import TOKEN, parse_list, unquote

_TOKEN = TOKEN.pattern
_ESSENCE = re.compile(rf"({_TOKEN})/({_TOKEN})")
_PARAMETER = re.compile(rf'[ \t]*;[ \t]*(?:({_TOKEN})=({_TOKEN}|"(?:[^"\\]|\\.)*"))?')
# RFC 9110 section 12.4.2 wants `0.5`; Java's URLConnection sends `.2`, others more than three digits or over 1.
_WEIGHT = re.compile(r"[0-9]{1,9}(?:\.[0-9]{0,18})?|\.[0-9]{1,18}")


class InvalidMediaType(PeerError, ValueError):
    """A Content-Type that is not `type/subtype` with well-formed parameters."""

    status = 415

    def __init__(self, value: str) -> None:
        super().__init__(f"{value[:100]!r} is not a media type; expected type/subtype; name=value")
        self.value = value


class MediaType(NamedTuple):
    """A media type or, in Accept, a range of them with its weight. Names are in lower case, parameter values as sent."""

    type: str
    subtype: str
    parameters: dict[str, str]

    @property
    def essence(self) -> str:
        """`type/subtype`, without parameters."""
        return f"{self.type}/{self.subtype}"

    @property
    def charset(self) -> str | None:
        """The charset parameter in lower case."""
        charset = self.parameters.get("charset")
        return None if charset is None else charset.lower()

    @property
    def is_json(self) -> bool:
        """Whether the content is JSON: `application/json`, or a structured `+json` type (RFC 6839 section 3.1)."""
        return self.essence == "application/json" or self.subtype.endswith("+json")


class AcceptedRange(NamedTuple):
    """One part of an Accept field: `*/*`, `type/*` or `type/subtype`, and how much it is wanted, 0 to 1."""

    range: MediaType
    quality: float

    def specificity(self, media_type: MediaType) -> tuple[int, int] | None:
        """How closely this range names `media_type`, more being closer; None where it does not."""
        wanted = self.range
        if wanted.type == "*":
            level = 0
        elif wanted.type != media_type.type:
            return None
        elif wanted.subtype == "*":
            level = 1
        elif wanted.subtype == media_type.subtype:
            level = 2
        else:
            return None
        for name, value in wanted.parameters.items():
            if media_type.parameters.get(name, "").lower() != value.lower():
                return None
        return level, len(wanted.parameters)


ANY = AcceptedRange(MediaType("*", "*", {}), 1.0)
"""What a request without Accept means."""


def parse_media_type(value: str) -> MediaType:
    """Reads one media type with its parameters, as in Content-Type. The first of equal parameters wins.

    >>> parse_media_type('Text/HTML; Charset="utf-8"')
    MediaType(type='text', subtype='html', parameters={'charset': 'utf-8'})

    Raises:
        InvalidMediaType: it is not one.
    """
    media_type = _parse(value.strip(" \t"))
    if media_type is None:
        raise InvalidMediaType(value)
    return media_type


def _parse(value: str) -> MediaType | None:
    essence = _ESSENCE.match(value)
    if essence is None:
        return None
    parameters: dict[str, str] = {}
    position = essence.end()
    while position < len(value):
        parameter = _PARAMETER.match(value, position)
        if parameter is None:
            return None
        position = parameter.end()
        if parameter[1]:
            parameters.setdefault(parameter[1].lower(), unquote(parameter[2]))
    return MediaType(essence[1].lower(), essence[2].lower(), parameters)


def parse_accept(header: str | None) -> list[AcceptedRange]:
    """The ranges of an Accept field, in order; malformed parts are left out. Nothing readable means anything is welcome.

    >>> [(part.range.essence, part.quality) for part in parse_accept("text/html, */*;q=0.1, nonsense")]
    [('text/html', 1.0), ('*/*', 0.1)]
    """
    return _parse_ranges(header) or [ANY] if header else [ANY]


def _parse_ranges(header: str) -> list[AcceptedRange]:
    ranges: list[AcceptedRange] = []
    for part in parse_list(header):
        media_range = _parse(part)
        if media_range is None or (media_range.type == "*" and media_range.subtype != "*"):
            continue
        weight = parse_weight(media_range.parameters.pop("q", "1"))
        if weight is not None:
            ranges.append(AcceptedRange(media_range, weight))
    return ranges


def parse_weight(value: str) -> float | None:
    """The `q` of an Accept field of any sort, 0 to 1; None where it is none.

    >>> parse_weight("0.5"), parse_weight(".2"), parse_weight("7"), parse_weight("high")
    (0.5, 0.2, 1.0, None)
    """
    return min(float(value), 1.0) if _WEIGHT.fullmatch(value) else None


def accepts(header: str | None, media_type: str) -> float:
    """How much `media_type` is wanted, 0 (not at all) to 1, by the most specific part that names it.

    >>> accepts("text/*;q=0.5, text/html;q=0", "text/html"), accepts("text/*;q=0.5", "text/plain"), accepts(None, "text/html")
    (0.0, 0.5, 1.0)

    Raises:
        InvalidMediaType: `media_type` is not one.
    """
    return _quality(parse_accept(header), parse_media_type(media_type))


def _quality(ranges: Iterable[AcceptedRange], media_type: MediaType) -> float:
    best: tuple[tuple[int, int], float] | None = None
    for part in ranges:
        specificity = part.specificity(media_type)
        if specificity is not None and (best is None or (specificity, part.quality) > best):
            best = (specificity, part.quality)
    return 0.0 if best is None else best[1]


def best_match(header: str | None, offers: Iterable[str]) -> str | None:
    """The most wanted of `offers`, the first of equals; None where none is acceptable.

    >>> best_match("text/html;q=0.8, application/json", ["text/html", "application/json"])
    'application/json'

    Raises:
        InvalidMediaType: an offer is not a media type.
    """
    ranges = parse_accept(header)
    chosen, highest = None, 0.0
    for offer in offers:
        quality = _quality(ranges, parse_media_type(offer))
        if quality > highest:
            chosen, highest = offer, quality
    return chosen


def names_event_stream(accept: bytes) -> bool:
    """Whether an Accept field asks for `text/event-stream` by name; a range that merely includes it, or `q=0`, does not.

    >>> names_event_stream(b"Text/Event-Stream"), names_event_stream(b"*/*"), names_event_stream(b"text/event-stream;q=0")
    (True, False, False)
    """
    # Every request passes here, and hardly any gets past this line.
    if b"event-stream" not in accept.lower():
        return False
    return any(part.quality > 0 and part.range.essence == "text/event-stream" for part in _parse_ranges(accept.decode("latin-1")))
