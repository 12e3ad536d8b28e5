"""Regular expressions in paths: what may run long is refused, and what is accepted runs out soon."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pagi.routing.expressions import LONGEST, BadExpression, bounded, choices


@pytest.mark.parametrize(
    ("expression", "count"),
    [
        (r"\d{4}", 0),
        (r"[a-z0-9]+(?:-[a-z0-9]+)*", 0),
        (r"json|xml|html", 0),
        (r"(?:ab|cd)+", 0),
        (r"(?:x(?:a|b))*", 0),
        (r"-?[0-9]+(?:\.[0-9]+)?,-?[0-9]+(?:\.[0-9]+)?", 0),
        (r"[]a]+[(b]?", 0),
        (r"(?i:a)b", 0),
        (r"(?i:A)+a", 1),
        (r"[a-z]+\.[a-z]+", 0),
        (r"[^/]+\.[^/]+", 1),
        (r".+/edit", 1),
        (r"a?a?b", 1),
        (r"[¿-ÿ]+\w+", 1),
        (r"[^\D0-9]+\d+", 1),
        (r"(?!admin)[a-z]+", 1),
        (r"(?!.*admin)[a-z]+", 3),
        (r"(?:-[a-z]+)*[a-z]+", 1),
    ],
)
def test_choices_are_places_where_two_parts_take_one_character(expression: str, count: int) -> None:
    assert choices(expression) == count


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        (r"(a+)+", "in several ways"),
        (r"(a|a)*", "in several ways"),
        (r"(a|aa)+", "in several ways"),
        (r"(?:ab|ac)*", "in several ways"),
        (r"(.*a){20}", "in several ways"),
        (r"(\w+\s?)*", "in several ways"),
        (r"(?:a{1,3})+", "in several ways"),
        (r"(?:[a-z]+[0-9a-z]+-)+", "in several ways"),
        (r"(a*)*", "what may be nothing"),
        (r"(a?){30}a{30}", "what may be nothing"),
        (r"(?:(?:c?|a+)?b)+", "what may be nothing"),
        (r"(?:(?:a*|b*)c)+", "two alternatives that may be nothing"),
        (r"(?:(?!.*x).)+", "looks ahead"),
        (r"(?:.(?!.*x))+", "looks ahead"),
        (r"a+a+a+a+a+", "leaves 4 choices"),
        (r"(?P<year>\d+)", "no place in a path"),
        (r"(?i)a", "no place in a path"),
        (r"(?x: a)", "no place in a path"),
        (r"(a)?(?(1)b|c)", "no place in a path"),
        (r"(a)\1", "refers back"),
        (r"(", "no regular expression"),
        (r"[a-", "no regular expression"),
    ],
)
def test_what_may_run_long_or_has_no_place_is_refused_with_the_reason(expression: str, reason: str) -> None:
    with pytest.raises(BadExpression, match=reason):
        choices(expression)


def test_text_too_long_for_the_choices_does_not_match() -> None:
    longest = LONGEST[1]
    assert longest is not None
    expression = bounded(r"[^/]+\.[^/]+")
    assert re.fullmatch(expression, "a." + "b" * (longest - 2))
    assert not re.fullmatch(expression, "a." + "b" * (longest - 1))
    assert bounded("[a-z]+") == "[a-z]+"


PIECES = st.recursive(
    st.sampled_from(["a", "b", "[ab]", ".", "-", "[^-]", r"\w"]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map(lambda pair: f"(?:{pair[0]}|{pair[1]})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{5,9}", "+?"])).map(lambda pair: f"({pair[0]}){pair[1]}"),
    ),
    max_leaves=12,
)


@given(PIECES, st.text("ab-", min_size=1, max_size=6))
@settings(max_examples=150, deadline=None)
def test_an_accepted_expression_never_runs_long(expression: str, text: str) -> None:
    try:
        found = choices(expression)
    except BadExpression:
        return
    compiled = re.compile(bounded(expression), re.DOTALL)
    longest = LONGEST[found] or 4096
    started = time.process_time()
    for unit in (text, "a", "b", "ab", "-"):
        compiled.fullmatch((unit * longest)[: longest - 1] + "!")
    # It takes milliseconds; what is exponential here would outlive us.
    assert time.process_time() - started < 2
