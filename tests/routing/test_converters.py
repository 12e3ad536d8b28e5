"""Converters: what their names and expressions may be."""

import pytest

from pagi.http.errors import ConfigError
from pagi.routing.converters import CONVERTERS, Converter, named
from pagi.routing.patterns import parse_pattern


def test_an_own_converter_goes_by_the_name_it_is_given() -> None:
    table = CONVERTERS | named({"slug": Converter(regex="[a-z]+(?:-[a-z]+)*")})
    pattern = parse_pattern("/posts/{post:slug}", table)
    assert pattern.text == "/posts/{post:slug}"
    assert pattern.spell({"post": "a-b"}) == "/posts/a-b"
    with pytest.raises(ValueError, match="does not match"):
        pattern.spell({"post": "a--b"})


@pytest.mark.parametrize(("name", "problem"), [("int", "every router knows"), ("a-b", "cannot stand"), ("", "cannot stand")])
def test_a_name_that_cannot_be_is_refused(name: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        named({name: Converter(regex="[a-z]+")})


@pytest.mark.parametrize(("regex", "problem"), [("(a+)+", "exponentially"), ("(", "no regular expression"), (r"(a)\1", "refers back")])
def test_an_expression_that_cannot_be_is_refused_when_it_is_written(regex: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        Converter(regex=regex)
