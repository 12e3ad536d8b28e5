"""The table of routes: the most exact wins, duplicates fail, and the quick way agrees with the thorough one."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pagi.routing.patterns import parse_pattern
from pagi.routing.table import DuplicateRoute, Table
from pagi.routing.urls import DuplicateName, Names, UnknownName


def table_of(*patterns: str) -> Table[str]:
    table: Table[str] = Table()
    for pattern in patterns:
        table.add(parse_pattern(pattern), "http", "GET", pattern)
    return table


def first(table: Table[str], path: str) -> str | None:
    for leaf, _ in table.find(path):
        return leaf.pattern.text
    return None


ALL = ("/{rest:path}", "/a/{x}", "/a/{x:int}", "/a/b{x}", "/a/b", "/{x}/b", "/a/{x}/c", "/a/deep/{rest:path}")


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("/a/b", "/a/b"),
        ("/a/bc", "/a/b{x}"),
        ("/a/5", "/a/{x:int}"),
        ("/a/x", "/a/{x}"),
        ("/a/5/c", "/a/{x}/c"),
        ("/z/b", "/{x}/b"),
        ("/a/deep/er/c", "/a/deep/{rest:path}"),
        ("/a/deep/c", "/a/deep/{rest:path}"),
        ("/q/r/s", "/{rest:path}"),
        ("/", None),
    ],
)
def test_the_most_exact_pattern_wins_in_any_order_of_registration(path: str, pattern: str | None) -> None:
    for seed in range(5):
        patterns = list(ALL)
        random.Random(seed).shuffle(patterns)
        assert first(table_of(*patterns), path) == pattern


@given(st.lists(st.sampled_from(ALL), unique=True), st.text("ab5/cx", max_size=12))
@settings(max_examples=300, deadline=None)
def test_the_quick_way_finds_what_the_thorough_one_finds_first(patterns: list[str], text: str) -> None:
    table = table_of(*patterns)
    quick = table.first("/" + text)
    if quick[0] is not None:
        assert quick == next(table.find("/" + text))


def test_the_cost_of_a_match_does_not_grow_with_the_number_of_routes() -> None:
    table = table_of(*(f"/r{n}/{{x}}" for n in range(2000)))
    assert first(table, "/r1999/y") == "/r1999/{x}"
    leaf, _ = table.first("/r1999/y")
    assert leaf is not None
    assert leaf.pattern.text == "/r1999/{x}"


def test_the_same_paths_cannot_be_registered_twice() -> None:
    for one, other in (("/a", "/a"), ("/u/{a}", "/u/{b}"), ("/f/{a:path}", "/f/{b:path}")):
        table = table_of(one)
        with pytest.raises(DuplicateRoute, match="twice"):
            table.add(parse_pattern(other), "http", "GET", "again")


def test_other_methods_kinds_and_converters_are_no_duplicates() -> None:
    table = table_of("/u/{a}")
    table.add(parse_pattern("/u/{b}"), "http", "POST", "post")
    table.add(parse_pattern("/u/{b}"), "sse", "GET", "sse")
    table.add(parse_pattern("/u/{b}"), "websocket", "", "websocket")
    table.add(parse_pattern("/u/{b:int}"), "http", "GET", "int")
    assert len(list(table.find("/u/5"))) == 3


def test_a_websocket_cannot_be_registered_twice() -> None:
    table: Table[str] = Table()
    table.add(parse_pattern("/c/{a}"), "websocket", "", "one")
    for other in ("/c/{a}", "/c/{b}"):
        with pytest.raises(DuplicateRoute):
            table.add(parse_pattern(other), "websocket", "", "two")


def test_a_name_leads_to_one_path() -> None:
    names = Names()
    names.add("user", parse_pattern("/u/{id}"))
    names.add("user", parse_pattern("/u/{id}"))
    assert names.path("user", "/api", {"id": "5"}) == "/api/u/5"
    with pytest.raises(DuplicateName):
        names.add("user", parse_pattern("/x/{id}"))
    with pytest.raises(UnknownName, match="there are user"):
        names.path("users", "", {})
