"""Media types, Accept, and who asks for an event stream."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagi.http.errors import PeerError
from pagi.http.media_types import (
    InvalidMediaType,
    MediaType,
    accepts,
    best_match,
    names_event_stream,
    parse_accept,
    parse_media_type,
)

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    ("value", "parsed"),
    [
        ("text/html", MediaType("text", "html", {})),
        (" Text/HTML ", MediaType("text", "html", {})),
        ("text/html;charset=UTF-8", MediaType("text", "html", {"charset": "UTF-8"})),
        ('text/html ; Charset="utf-8"', MediaType("text", "html", {"charset": "utf-8"})),
        (r'a/b;x="1;\"2"', MediaType("a", "b", {"x": '1;"2'})),
        ("a/b;", MediaType("a", "b", {})),
        ("a/b;;x=1;", MediaType("a", "b", {"x": "1"})),
        ("a/b;x=1;X=2", MediaType("a", "b", {"x": "1"})),
    ],
)
def test_media_types_are_read(value: str, parsed: MediaType) -> None:
    assert parse_media_type(value) == parsed


@pytest.mark.parametrize(
    "value", ["", "text", "text/", "/html", "text/html/x", "text /html", "a/b;x", "a/b;x=", "a/b;x =1", "a/b x=1", 'a/b;x="1']
)
def test_what_is_no_media_type_is_the_peer_s_fault(value: str) -> None:
    with pytest.raises(InvalidMediaType, match="not a media type") as caught:
        parse_media_type(value)
    assert isinstance(caught.value, PeerError)
    assert caught.value.status == 415


@pytest.mark.parametrize(
    ("value", "is_json"),
    [("application/json", True), ("application/problem+json; charset=utf-8", True), ("text/json", False), ("application/jsonp", False)],
)
def test_json_is_told_from_its_look_alikes(value: str, is_json: bool) -> None:
    assert parse_media_type(value).is_json is is_json


def test_the_charset_is_in_lower_case() -> None:
    assert parse_media_type("text/html; charset=UTF-8").charset == "utf-8"
    assert parse_media_type("text/html").charset is None


@pytest.mark.parametrize("header", [None, "", ",", "nonsense", "*/html", "a/b;q=high"])
def test_nothing_readable_means_anything_is_welcome(header: str | None) -> None:
    assert [(part.range.essence, part.quality) for part in parse_accept(header)] == [("*/*", 1.0)]


@pytest.mark.parametrize(
    ("weight", "quality"),
    [("1", 1.0), ("1.000", 1.0), ("0", 0.0), ("0.5", 0.5), (".2", 0.2), ("0.", 0.0), ("0.3333", 0.3333), ("7", 1.0), ('"0.5"', 0.5)],
)
def test_weights_are_read_and_capped(weight: str, quality: float) -> None:
    assert parse_accept(f"a/b;q={weight}")[0].quality == quality


@pytest.mark.parametrize("weight", ["", "-1", "x", "nan", "inf", "1e3", "\u0660", "."])
def test_a_part_with_a_malformed_weight_is_left_out(weight: str) -> None:
    assert "a/b" not in [part.range.essence for part in parse_accept(f"a/b;q={weight}, c/d")]


# RFC 9110 section 12.5.1, its own example.
RFC_HEADER = "text/*;q=0.3, text/plain;q=0.7, text/plain;format=flowed, text/plain;format=fixed;q=0.4, */*;q=0.5"


@pytest.mark.parametrize(
    ("header", "media_type", "quality"),
    [
        (RFC_HEADER, "text/plain;format=flowed", 1.0),
        (RFC_HEADER, "text/plain", 0.7),
        (RFC_HEADER, "text/html", 0.3),
        (RFC_HEADER, "image/jpeg", 0.5),
        (RFC_HEADER, "text/plain;format=fixed", 0.4),
        (RFC_HEADER, "text/html;level=3", 0.3),
        (BROWSER, "text/html", 1.0),
        (BROWSER, "application/json", 0.8),
        (None, "a/b", 1.0),
        ("application/json;q=0, */*", "application/json", 0.0),
        ("text/html", "application/json", 0.0),
        ("TEXT/HTML;Q=0.5", "text/html", 0.5),
        ("a/b;q=0.2, a/b;q=0.6", "a/b", 0.6),
        ("a/b;charset=UTF-8", "a/b;charset=utf-8", 1.0),
        ('a/b;x="1,2";q=0.5', 'a/b;x="1,2"', 0.5),
    ],
)
def test_the_most_specific_part_decides(header: str | None, media_type: str, quality: float) -> None:
    assert accepts(header, media_type) == quality


@pytest.mark.parametrize(
    ("header", "offers", "chosen"),
    [
        ("text/html;q=0.8, application/json", ["text/html", "application/json"], "application/json"),
        ("*/*", ["text/html", "application/json"], "text/html"),
        (None, ["text/html"], "text/html"),
        ("application/json;q=0, */*", ["application/json", "text/html"], "text/html"),
        ("image/png", ["text/html"], None),
        ("*/*;q=0", ["text/html"], None),
        ("*/*", [], None),
        (BROWSER, ["application/json", "text/html"], "text/html"),
    ],
)
def test_the_best_offer_wins_and_the_first_of_equals(header: str | None, offers: list[str], chosen: str | None) -> None:
    assert best_match(header, offers) == chosen


@pytest.mark.parametrize(
    "accept",
    [
        b"text/event-stream",
        b"Text/Event-Stream",
        b"application/json, text/event-stream",
        b"text/event-stream; charset=utf-8",
        b"text/event-stream;q=0.001",
        b"*/*, text/event-stream;q=0.1, text/html",
        b" text/event-stream ",
    ],
)
def test_naming_an_event_stream(accept: bytes) -> None:
    assert names_event_stream(accept)


@pytest.mark.parametrize(
    "accept",
    [
        b"",
        b"*/*",
        b"text/*",
        BROWSER.encode(),
        b"text/event-stream;q=0",
        b"text/event-stream; q=0.000",
        b"text/event-stream;q=x",
        b"text/event-streams",
        b"xtext/event-stream",
        b"application/event-stream",
        b'text/plain;a="text/event-stream"',
        b'text/plain;a=", text/event-stream, "',
        b"\xff\xfe event-stream",
    ],
)
def test_not_naming_an_event_stream(accept: bytes) -> None:
    assert not names_event_stream(accept)


@given(st.text(alphabet='ab/*;q=01.,"\\ ', max_size=40))
def test_any_accept_field_gives_weights_from_zero_to_one(header: str) -> None:
    assert 0.0 <= accepts(header, "a/b") <= 1.0


@given(st.binary(max_size=40).map(b"text/event-stream".__add__))
def test_any_bytes_can_be_asked_for_an_event_stream(accept: bytes) -> None:
    assert isinstance(names_event_stream(accept), bool)
