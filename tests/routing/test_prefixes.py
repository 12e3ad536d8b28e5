"""The table of mounts: the most exact prefix wins, then the longest, and nothing hides a mount unseen."""

import pytest

from pagi.routing.patterns import BadPattern, Pattern, parse_pattern
from pagi.routing.prefixes import DuplicateMount, HiddenMount, Prefixes, check_reachable


def prefixes(*texts: str) -> Prefixes[str]:
    table: Prefixes[str] = Prefixes()
    for text in texts:
        table.add(parse_pattern(text) if text else None, text, text)
    return table


@pytest.mark.parametrize(
    ("path", "mounted", "params", "prefix"),
    [
        ("/a", "/a", {}, "/a"),
        ("/a/", "/a", {}, "/a"),
        ("/a/x/y", "/a", {}, "/a"),
        ("/a/b/x", "/a/b", {}, "/a/b"),
        ("/ax", "/{t}", {"t": "ax"}, "/ax"),
        ("/5/x", "/{n:int}", {"n": 5}, "/5"),
        ("/z/", "/{t}", {"t": "z"}, "/z"),
        ("/z/users/x", "/{t}/users", {"t": "z"}, "/z/users"),
        ("/", "", {}, ""),
        ("//x", "", {}, ""),
    ],
)
def test_the_most_exact_prefix_wins_then_the_longest(path: str, mounted: str, params: dict[str, object], prefix: str) -> None:
    for texts in (["", "/a", "/a/b", "/{t}", "/{n:int}", "/{t}/users"], ["/{t}/users", "/{n:int}", "/{t}", "/a/b", "/a", ""]):
        found = prefixes(*texts).find(path)
        assert found is not None
        assert (found[0], found[2], found[3]) == (mounted, params, prefix)


def test_what_is_under_no_prefix_is_not_mounted() -> None:
    table = prefixes("/a", "/n/{n:int}")
    assert [table.find(path) for path in ("/b", "/ab", "/n/x", "a", "*", "")] == [None] * 6
    assert prefixes("").find("*") is None


def test_two_apps_at_one_prefix_are_refused() -> None:
    for one, other in (("/a", "/a"), ("", ""), ("/{x}", "/{y}")):
        with pytest.raises(DuplicateMount, match="same paths"):
            prefixes(one, other)


def test_a_prefix_spans_no_slashes() -> None:
    with pytest.raises(BadPattern, match="cannot span"):
        prefixes("/{rest:path}")


def read(text: str) -> Pattern:
    return parse_pattern(text)


@pytest.mark.parametrize(("prefix", "route"), [("/a", "/a/{rest:path}"), ("", "/{rest:path}"), ("/{t}", "/{x}/*rest")])
def test_a_route_that_takes_all_of_a_mount_is_refused(prefix: str, route: str) -> None:
    mounts = [(read(prefix) if prefix else None, "the mount")]
    with pytest.raises(HiddenMount, match=r"the mount.*the route"):
        check_reachable(mounts, [(read(route), "http", "the route")])
    check_reachable(mounts, [(read(route), "websocket", "a WebSocket takes no requests")])


@pytest.mark.parametrize(
    ("prefix", "route"),
    [("/a", "/{rest:path}"), ("/a", "/a/{rest:path}/edit"), ("/a", "/a/{x}"), ("/a", "/a-{rest:path}"), ("/{t}", "/a/{rest:path}")],
)
def test_a_route_that_leaves_something_to_a_mount_is_fine(prefix: str, route: str) -> None:
    check_reachable([(read(prefix), "the mount")], [(read(route), "http", "the route")])
