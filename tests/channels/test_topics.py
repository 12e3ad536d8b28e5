"""Topics: names, types, and data that fits."""

import datetime
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import pytest

from pagi.channels import InvalidTopic, Topic, Unpublishable
from pagi.channels.topics import encoded, untyped
from pagi.http.errors import AppError, ConfigError


class Score(msgspec.Struct):
    points: Annotated[int, msgspec.Meta(ge=0)]


@dataclass
class Move:
    x: int
    at: datetime.date


class Opaque:
    pass


@pytest.mark.parametrize("name", ["a", "room:1", "Straße", "部屋", "with a space", "x" * 200])
def test_a_topic_may_have_any_short_printable_name(name: str) -> None:
    assert Topic(name, int).name == untyped(name).name == name


@pytest.mark.parametrize("name", ["", "x" * 201, "a\nb", "\t", "a\x7f", "\x00", "\ud800"])
def test_any_other_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidTopic) as caught:
        Topic(name, int)
    assert isinstance(caught.value, AppError)
    assert caught.value.name == name
    assert len(str(caught.value)) < 1000


@pytest.mark.parametrize(
    ("topic", "data", "wire"),
    [
        (Topic("t", Score), Score(1), b'{"points":1}'),
        (Topic("t", Score), {"points": 1}, b'{"points":1}'),
        (Topic("t", Move), Move(1, datetime.date(2026, 1, 2)), b'{"x":1,"at":"2026-01-02"}'),
        (Topic("t", bytes), b"\0", b'"AA=="'),
        (Topic("t", list[int]), (1, 2), b"[1,2]"),
        (Topic[int | None]("t", int | None), None, b"null"),
        (Topic[Any]("t", Any), {"a": 1}, b'{"a":1}'),
        ("t", {"a": 1}, b'{"a":1}'),
        ("t", Score(1), b'{"points":1}'),
        ("t", msgspec.Raw(b"[ 1 ]"), b"[ 1 ]"),
    ],
)
def test_data_that_fits_becomes_json(topic: Topic[Any] | str, data: Any, wire: bytes) -> None:
    assert encoded(topic, data) == wire


@pytest.mark.parametrize(
    ("topic", "data", "says"),
    [
        (Topic("t", Score), Score(-1), r"topic 't' carries Score, and this Score does not fit: .*>= 0.*points"),
        (Topic("t", Score), Score("1"), r"this Score does not fit: Expected `int`"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        (Topic("t", list[int]), ["x"], r"topic 't' carries list\[int\], and this list"),
        (Topic("t", int), True, r"carries int, and this bool"),
        (Topic("t", float), float("nan"), r"carries float, and this float"),
        (Topic[int | None]("t", int | None), "", r"carries int \| None, and this str"),
        ("t", Opaque(), r"carries JSON, and this Opaque"),
        ("t", msgspec.Raw(b"{x"), r"carries JSON, and this Raw"),
        ("t", "\ud800", r"carries JSON, and this str"),
    ],
)
def test_data_that_does_not_fit_is_refused_with_the_topics_name(topic: Topic[Any] | str, data: Any, says: str) -> None:
    with pytest.raises(Unpublishable, match=says) as caught:
        encoded(topic, data)
    assert caught.value.topic == "t"


@pytest.mark.parametrize("value_type", [Opaque, object, Exception, "Score", 5, {"a": int}])
def test_a_type_that_cannot_be_read_from_json_is_refused_when_the_topic_is_made(value_type: Any) -> None:
    with pytest.raises(ConfigError, match="topic 't' cannot carry"):
        Topic[Any]("t", value_type)


def test_a_topic_shows_its_name_and_type() -> None:
    assert repr(Topic("t", Score)) == "Topic('t', Score)"
    assert repr(Topic("t", list[int])) == "Topic('t', list[int])"
    assert repr(untyped("t")) == "Topic('t', Any)"
