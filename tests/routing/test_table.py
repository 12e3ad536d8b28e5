"""The table of routes: the most exact wins, duplicates fail, and the quick way agrees with the thorough one."""

import random
import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pagi.routing.converters import CONVERTERS, Converter, named
from pagi.routing.patterns import parse_pattern
from pagi.routing.table import DuplicateRoute, MixedPolicies, Table
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


PIECES = ("a", "b", "a{%s}", "{%s}b", "{%s}.{%s}", "{%s:int}", "{%s:float}", "{%s:re([ab]+)}", "{%s}", "{%s:path}", "{%s:path}/b")


def patterns_of(segments: Sequence[str]) -> str:
    names = iter("pqrstuvwxyz")
    return "/" + "/".join(re.sub("%s", lambda _: next(names), segment) for segment in segments)


def spans_once_at_most(segments: Sequence[str]) -> bool:
    return sum("path" in segment for segment in segments) <= 1


def rank(text: str, order: int) -> tuple[object, ...]:
    """The rules of exactness, told again and otherwise: segment by segment, what is first in the list says more."""
    ranks = list[object]()
    segments = text[1:].split("/")
    for index, segment in enumerate(segments):
        letters = len(re.sub(r"\{.*?\}", "", segment))
        if "path" in segment:
            rest = segments[index:]
            said = sum(len(re.sub(r"\{.*?\}", "", each)) for each in rest)
            kinds = tuple("{" in each and (3 if "path" in each else 2 if ":" not in each else 1) for each in rest)
            return (*ranks, (4, -said, -len(rest), kinds, order))
        if "{" not in segment:
            ranks.append((0, 0, 0))
        elif not re.fullmatch(r"\{[^{}]*\}", segment):
            ranks.append((1, -letters, segment.count("{"), order))
        elif ":" in segment:
            ranks.append((2, ":float" in segment, order))
        else:
            ranks.append((3, 0, 0))
    return tuple(ranks)


def matches(text: str, path: str) -> bool:
    known = {"": "[^/]+", ":int": "-?[0-9]{1,19}", ":float": r"-?[0-9]{1,19}(\.[0-9]{1,19})?", ":re([ab]+)": "[ab]+", ":path": ".+"}
    regex = re.sub(r"\\\{[a-z](.*?)\\\}", lambda hole: f"({known[hole[1].replace(chr(92), '')]})", re.escape(text))
    return re.fullmatch(regex, path, re.DOTALL) is not None


@given(
    st.lists(st.lists(st.sampled_from(PIECES), min_size=1, max_size=3).filter(spans_once_at_most), min_size=1, max_size=8),
    st.text("ab5./", max_size=9),
)
@settings(max_examples=200, deadline=None)
def test_the_table_finds_what_trying_every_pattern_finds(shapes: list[list[str]], text: str) -> None:
    patterns = list(dict.fromkeys(map(patterns_of, shapes)))
    # A tie between two converters, or two texts with holes, goes to the one whose like was registered first.
    kinds = list(dict.fromkeys(re.sub(r"\{[a-z]", "{", segment) for pattern in patterns for segment in pattern[1:].split("/")))
    if len({re.sub(r"\{[a-z]", "{", pattern) for pattern in patterns}) < len(patterns) or _has_ties(kinds):
        return
    table, path = table_of(*patterns), "/" + text
    naive = sorted((pattern for pattern in patterns if matches(pattern, path)), key=lambda each: rank(each, 0))
    assert [leaf.pattern.text for leaf, _ in table.find(path)] == naive
    quick, _ = table.first(path)
    assert quick is None or quick.pattern.text == naive[0]


def _has_ties(kinds: list[str]) -> bool:
    """Two segments that no rule but the order of registration tells apart."""
    ranks = [rank("/" + kind, 0)[0] for kind in kinds if "{" in kind and "path" not in kind]
    return len(set(ranks)) < len(ranks)


def test_the_cost_of_a_match_does_not_grow_with_the_number_of_routes() -> None:
    table = table_of(*(f"/r{n}/{{x}}" for n in range(2000)))
    assert first(table, "/r1999/y") == "/r1999/{x}"
    leaf, _ = table.first("/r1999/y")
    assert leaf is not None
    assert leaf.pattern.text == "/r1999/{x}"


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("/n/5", "/n/{a:int}"),
        ("/n/5.5", "/n/{b:float}"),
        ("/f/a.json", "/f/{x}.json"),
        ("/f/a.b", "/f/{x}.{y}"),
        ("/p/a/b", "/p/{r:path}/{b}"),
        ("/p/a/5", "/p/{r:path}/{n:int}"),
        ("/p/a", "/p/{r:path}"),
        ("/q/a/b.json", "/q/{r:path}.json"),
    ],
)
def test_a_route_that_says_more_is_never_hidden_by_one_that_came_before(path: str, pattern: str) -> None:
    patterns = ["/n/{b:float}", "/n/{a:int}", "/f/{x}.{y}", "/f/{x}.json", "/q/{r:path}", "/q/{r:path}.json"]
    patterns += ["/p/{r:path}", "/p/{r:path}/{b}", "/p/{r:path}/{n:int}"]
    assert first(table_of(*patterns), path) == first(table_of(*reversed(patterns)), path) == pattern


def test_converters_of_one_name_in_two_routers_are_two() -> None:
    table: Table[str] = Table()
    for regex in ("[a-z]+", "[0-9]+"):
        table.add(parse_pattern("/x/{y:own}", CONVERTERS | named({"own": Converter(regex=regex)})), "http", "GET", regex)
    assert [next(table.find(path))[0].http["GET"] for path in ("/x/abc", "/x/12")] == ["[a-z]+", "[0-9]+"]


def test_one_path_has_one_policy_about_its_slash() -> None:
    table: Table[str] = Table()
    table.add(parse_pattern("/a"), "http", "GET", "x", slash="strict")
    with pytest.raises(MixedPolicies, match="'strict' and 'redirect'"):
        table.add(parse_pattern("/a"), "http", "POST", "y", slash="redirect")


def test_the_same_paths_cannot_be_registered_twice() -> None:
    same = [("/a", "/a"), ("/u/{a}", "/u/{b}"), ("/f/{a:path}", "/f/{b:path}"), ("/u/{a}", "/u/{b:re([^/]+)}"), ("/{a}.x", "/{b}.x")]
    for one, other in same:
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


def test_names_of_a_mounted_app_stand_in_its_namespace_behind_its_prefix() -> None:
    inner, outer = Names(), Names()
    inner.add("user", parse_pattern("/u/{id}"))
    inner.add("home", parse_pattern("/"))
    outer.mount("shop", parse_pattern("/t/{tenant}"), inner)
    assert outer.path("shop:user", "/api", {"tenant": "a b", "id": "5"}) == "/api/t/a%20b/u/5"
    assert outer.path("shop:home", "", {"tenant": "x"}) == "/t/x/"
    with pytest.raises(DuplicateName):
        outer.add("shop:user", parse_pattern("/elsewhere"))
