"""Path patterns: what is read, what is refused, and the way back to a path."""

import uuid
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pagi.http.url import decode_path
from pagi.routing.patterns import BadPattern, parse_pattern
from pagi.routing.table import Table


def found(pattern: str, path: str) -> dict[str, object] | None:
    table: Table[str] = Table()
    table.add(parse_pattern(pattern), "http", "GET", "x")
    matches = list(table.find(path))
    quick = table.first(path)
    assert quick[0] is None or quick == matches[0]
    return matches[0][1] if matches else None


@pytest.mark.parametrize(
    ("pattern", "path", "values"),
    [
        ("/", "/", {}),
        ("/a.b(c)[d]+", "/a.b(c)[d]+", {}),
        ("/a.b", "/axb", None),
        ("/users/{id}", "/users/ann", {"id": "ann"}),
        ("/users/{id}", "/users/", None),
        ("/users/{id}", "/users/a/b", None),
        ("/users/{id}", "/users/42\n", {"id": "42\n"}),
        ("/users/{id:int}", "/users/42\n", None),
        ("/users/{id:int}", "/users/-42", {"id": -42}),
        ("/users/{id:int}", "/users/4x", None),
        ("/users/{id:int}", "/users/٤", None),
        ("/users/{id:int}", "/users/" + "9" * 5000, None),
        ("/users/{id:int}", "/users/9223372036854775807", {"id": 2**63 - 1}),
        ("/users/{id:int}", "/users/9223372036854775808", None),
        ("/users/{id:int}", "/users/-9223372036854775808", {"id": -(2**63)}),
        ("/users/{id:int}", "/users/-9223372036854775809", None),
        ("/users/{id:int}", "/users/0000000000000000000005", None),
        ("/users/{id:int}", "/users/", None),
        ("/users/{id:int}", "/users/+5", None),
        ("/users/{id:int}", "/users/--5", None),
        ("/users/{id:int}", "/users/1_0", None),
        ("/users/{id:int}", "/users/ 5", None),
        ("/users/{id:int}-{n:int}", "/users/1--2", {"id": 1, "n": -2}),
        ("/at/{x:float}", "/at/" + "9" * 400, None),
        ("/at/{x:float},{y:float}", "/at/1.5,-2", {"x": 1.5, "y": -2.0}),
        ("/{y:re([(]+)}-{z}", "/((-1", {"y": "((", "z": "1"}),
        (r"/{y:re(\(?a)}-{z}", "/(a-1", {"y": "(a", "z": "1"}),
        ("/{name}.{ext}", "/a." + "b" * 1022, {"name": "a", "ext": "b" * 1022}),
        ("/{name}.{ext}", "/a." + "b" * 1023, None),
        ("/at/{x:float}", "/at/1.5", {"x": 1.5}),
        ("/at/{x:float}", "/at/nan", None),
        ("/u/{id:uuid}", "/u/12345678-1234-5678-1234-567812345678", {"id": uuid.UUID("12345678123456781234567812345678")}),
        ("/files/{rest:path}", "/files/a/b.txt", {"rest": "a/b.txt"}),
        ("/files/{rest:path}", "/files/", None),
        ("/files/{rest:path}", "/files/a\nb", {"rest": "a\nb"}),
        ("/files/{rest:path}/edit", "/files/a/b/edit", {"rest": "a/b"}),
        ("/{name}.{ext}", "/a.b.c", {"name": "a.b", "ext": "c"}),
        (r"/y/{y:re(\d{4})}", "/y/2026", {"y": "2026"}),
        (r"/y/{y:re(\d{4})}", "/y/20266", None),
        ("/y/{y:re((a|b)c)}-{z}", "/y/bc-1", {"y": "bc", "z": "1"}),
        ("/users/:id", "/users/5", {"id": "5"}),
        ("/t/12:30", "/t/12:30", {}),
        ("/files/*rest", "/files/a/b", {"rest": "a/b"}),
        ("/a/", "/a", None),
        ("/a", "/a/", None),
    ],
)
def test_a_path_matches_whole_or_not_at_all(pattern: str, path: str, values: dict[str, object] | None) -> None:
    assert found(pattern, path) == values


@pytest.mark.parametrize(
    ("pattern", "remedy"),
    [
        ("users", "must start with '/'"),
        ("/<int:id>", r"write \{id:int\}"),
        ("/<id>", r"write \{id\}"),
        ("/{int:id}", r"did you mean \{id:int\}"),
        ("/{id:number}", "no converter 'number'"),
        ("/{id}/{id}", "appears 2 times"),
        ("/{id", "never closed"),
        ("/id}", "closes nothing"),
        ("/{}", "has no name"),
        ("/{1a}", "has no name"),
        ("/{y:re(()}", "no regular expression"),
        ("/{y:re((a+)+)}", "in several ways"),
        ("/{y:re((?P<z>a))}", "no place in a path"),
        ("/{a}{b}{c}{d}{e}", "leaves 4 choices"),
        ("/{a:path}/x/{b:path}", "span slashes"),
    ],
)
def test_a_bad_pattern_is_refused_with_its_remedy(pattern: str, remedy: str) -> None:
    with pytest.raises(BadPattern, match=remedy):
        parse_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "values", "path"),
    [
        ("/users/{id:int}", {"id": 5}, "/users/5"),
        ("/u/{name}", {"name": "a b?#é"}, "/u/a%20b%3F%23%C3%A9"),
        ("/f/{rest:path}", {"rest": "a b/c"}, "/f/a%20b/c"),
        ("/é/{x}", {"x": "%"}, "/%C3%A9/%25"),
        ("/{name}.{ext}", {"name": "a", "ext": "b"}, "/a.b"),
    ],
)
def test_a_spelled_path_is_escaped_and_matches_again(pattern: str, values: dict[str, object], path: str) -> None:
    spelled = parse_pattern(pattern).spell(values)
    assert spelled == path
    assert found(pattern, decode_path(spelled.encode())) == values


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({}, "misses"),
        ({"id": 5, "x": 1}, "has no"),
        ({"id": "five"}, "does not match"),
        ({"id": ""}, "does not match"),
    ],
)
def test_what_would_not_match_cannot_be_spelled(values: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_pattern("/users/{id:int}").spell(values)


@pytest.mark.parametrize(
    ("pattern", "values", "problem"),
    [
        ("/{name}.{ext}", {"name": "a", "ext": "b.c"}, "would not be read back as"),
        ("/{rest:path}/{x}", {"rest": "a", "x": "b/c"}, "does not match"),
        ("/{name}.{ext}", {"name": "a", "ext": "b" * 2000}, "is longer than"),
        ("/{rest:path}", {"rest": "/evil.example"}, "another host"),
        ("/{x:float}", {"x": float("inf")}, "does not match"),
        ("/{x}", {"x": "\ud800"}, "surrogates"),
    ],
)
def test_what_would_be_read_back_otherwise_cannot_be_spelled(pattern: str, values: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_pattern(pattern).spell(values)


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "str": st.text(min_size=1),
    "int": st.integers(),
    "float": st.floats(),
    "uuid": st.uuids(),
    "path": st.text(min_size=1),
}
SHAPES = ["/a/{x}", "/{x}/b", "/{x}.{y}", "/{x}-{y}/z", "/a{x}b", "/{x}/{y}"]


@given(st.sampled_from(SHAPES), st.sampled_from(list(VALUES)), st.sampled_from(list(VALUES)), st.data())
@settings(max_examples=200, deadline=None)
def test_what_is_spelled_is_read_back(shape: str, kind: str, other: str, data: st.DataObject) -> None:
    text = shape.replace("{x}", f"{{x:{kind}}}").replace("{y}", f"{{y:{other}}}")
    values = {"x": data.draw(VALUES[kind])} | ({"y": data.draw(VALUES[other])} if "{y" in text else {})
    try:
        spelled = parse_pattern(text).spell(values)
    except (ValueError, BadPattern):
        return
    assert spelled.isascii()
    assert found(text, decode_path(spelled.encode())) == values


def test_the_converters_spell_what_they_parse() -> None:
    for kind, value in (("int", -5), ("float", 1e-7), ("float", -2.5), ("uuid", uuid.UUID(int=7)), ("path", "a/b"), ("str", "é?")):
        spelled = parse_pattern(f"/{{x:{kind}}}").spell({"x": value})
        assert found(f"/{{x:{kind}}}", decode_path(spelled.encode())) == {"x": value}


def test_two_patterns_with_one_parameter_name_cannot_stand_behind_each_other() -> None:
    prefix = parse_pattern("/tenants/{id}")
    assert parse_pattern("/users/{user}").under(prefix).text == "/tenants/{id}/users/{user}"
    with pytest.raises(BadPattern, match="in the prefix"):
        parse_pattern("/users/{id:int}").under(prefix)


def test_a_slash_cannot_hide_in_one_segment() -> None:
    with pytest.raises(ValueError, match="does not match"):
        parse_pattern("/u/{name}").spell({"name": "a/b"})


def test_dot_segments_cannot_be_spelled() -> None:
    for value in (".", ".."):
        with pytest.raises(ValueError, match="dot segment"):
            parse_pattern("/u/{name}").spell({"name": value})
