"""Conditional requests: entity tags, what each precondition means, and which of them counts."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagi.http.conditional import EntityTag, Verdict, evaluate, parse_entity_tag, parse_entity_tags, range_applies
from pagi.http.dates import http_date
from pagi.http.headers import Headers

TAG = EntityTag("now")
WEAK = EntityTag("now", is_weak=True)
MOMENT = datetime(2026, 3, 1, 12, 0, 0, 750_000, tzinfo=UTC)
SAME = http_date(MOMENT)
BEFORE = http_date(MOMENT - timedelta(seconds=1))
AFTER = http_date(MOMENT + timedelta(seconds=1))

GOES_ON, SAME_AS_EVER, REFUSED = Verdict.PROCEED, Verdict.NOT_MODIFIED, Verdict.FAILED


def fields(*pairs: tuple[str, str]) -> Headers:
    return Headers([(name.encode(), value.encode("latin-1")) for name, value in pairs])


@pytest.mark.parametrize(
    ("one", "other", "exactly", "alike"),
    [
        (EntityTag("1", is_weak=True), EntityTag("1", is_weak=True), False, True),
        (EntityTag("1", is_weak=True), EntityTag("2", is_weak=True), False, False),
        (EntityTag("1", is_weak=True), EntityTag("1"), False, True),
        (EntityTag("1"), EntityTag("1"), True, True),
    ],
)
def test_the_comparisons_of_the_rfc(one: EntityTag, other: EntityTag, exactly: bool, alike: bool) -> None:
    assert (one.is_exactly(other), one.is_like(other)) == (exactly, alike)
    assert (other.is_exactly(one), other.is_like(one)) == (exactly, alike)


@pytest.mark.parametrize(
    ("value", "tag"),
    [
        ('"a"', EntityTag("a")),
        (' "a"\t', EntityTag("a")),
        ('""', EntityTag("")),
        ('W/"a"', EntityTag("a", is_weak=True)),
        (r'"a\"', EntityTag("a\\")),
        ('"a,b"', EntityTag("a,b")),
        ('"\xe9"', EntityTag("\xe9")),
        ("a", None),
        ("", None),
        ('"a', None),
        ('w/"a"', None),
        ('W/ "a"', None),
        ('"a b"', None),
        ('"a"b"', None),
        ('"a"\n', None),
    ],
)
def test_a_tag_is_read_as_it_is(value: str, tag: EntityTag | None) -> None:
    assert parse_entity_tag(value) == tag
    if tag is not None:
        assert parse_entity_tag(str(tag)) == tag


@pytest.mark.parametrize(
    ("values", "opaques"),
    [
        ([], []),
        (["*"], "*"),
        ([" * "], "*"),
        (['*, "a"'], ["a"]),
        (['"a","b" , W/"c"'], ["a", "b", "c"]),
        (['"a"', '"b"'], ["a", "b"]),
        (['"a,b",,"c"'], ["a,b", "c"]),
        (['a, "b", c"d", "e"f, "g"'], ["b", "g"]),
        (['"a'], []),
        ([", ,"], []),
    ],
)
def test_lists_of_tags_leave_out_what_is_malformed(values: list[str], opaques: list[str] | str) -> None:
    tags = parse_entity_tags(values)
    assert (tags if isinstance(tags, str) else [tag.opaque for tag in tags]) == opaques


@pytest.mark.parametrize(
    ("method", "pairs", "verdict"),
    [
        ("GET", (), GOES_ON),
        ("GET", (("if-none-match", '"now"'),), SAME_AS_EVER),
        ("HEAD", (("if-none-match", '"now"'),), SAME_AS_EVER),
        ("PUT", (("if-none-match", '"now"'),), REFUSED),
        ("GET", (("if-none-match", 'W/"now"'),), SAME_AS_EVER),
        ("GET", (("if-none-match", '"old", "now"'),), SAME_AS_EVER),
        ("GET", (("if-none-match", '"old"'), ("if-none-match", '"now"')), SAME_AS_EVER),
        ("GET", (("if-none-match", "*"),), SAME_AS_EVER),
        ("PUT", (("if-none-match", "*"),), REFUSED),
        ("GET", (("if-none-match", '"old"'),), GOES_ON),
        ("GET", (("if-none-match", "now"),), GOES_ON),
        ("GET", (("if-match", '"now"'),), GOES_ON),
        ("PUT", (("if-match", '"now"'),), GOES_ON),
        ("PUT", (("if-match", "*"),), GOES_ON),
        ("PUT", (("if-match", '"old", "now"'),), GOES_ON),
        ("PUT", (("if-match", '"old"'),), REFUSED),
        ("GET", (("if-match", '"old"'),), REFUSED),
        ("PUT", (("if-match", 'W/"now"'),), REFUSED),
        ("PUT", (("if-match", "now"),), REFUSED),
        ("GET", (("if-modified-since", SAME),), SAME_AS_EVER),
        ("HEAD", (("if-modified-since", AFTER),), SAME_AS_EVER),
        ("GET", (("if-modified-since", BEFORE),), GOES_ON),
        ("POST", (("if-modified-since", SAME),), GOES_ON),
        ("GET", (("if-modified-since", "yesterday"),), GOES_ON),
        ("GET", (("if-modified-since", SAME), ("if-modified-since", SAME)), GOES_ON),
        ("PUT", (("if-unmodified-since", SAME),), GOES_ON),
        ("PUT", (("if-unmodified-since", AFTER),), GOES_ON),
        ("PUT", (("if-unmodified-since", BEFORE),), REFUSED),
        ("GET", (("if-unmodified-since", BEFORE),), REFUSED),
        ("PUT", (("if-unmodified-since", "yesterday"),), GOES_ON),
        # the order of section 13.2.2: tags over dates, and refusing over not answering
        ("GET", (("if-none-match", '"old"'), ("if-modified-since", SAME)), GOES_ON),
        ("GET", (("if-none-match", "garbage"), ("if-modified-since", SAME)), GOES_ON),
        ("GET", (("if-none-match", '"now"'), ("if-modified-since", BEFORE)), SAME_AS_EVER),
        ("PUT", (("if-match", '"now"'), ("if-unmodified-since", BEFORE)), GOES_ON),
        ("GET", (("if-match", '"old"'), ("if-none-match", '"now"')), REFUSED),
        ("GET", (("if-match", '"now"'), ("if-none-match", '"now"')), SAME_AS_EVER),
        ("GET", (("if-unmodified-since", BEFORE), ("if-none-match", '"now"')), REFUSED),
        ("GET", (("if-unmodified-since", SAME), ("if-modified-since", SAME)), SAME_AS_EVER),
    ],
)
def test_preconditions_in_their_order(method: str, pairs: tuple[tuple[str, str], ...], verdict: Verdict) -> None:
    assert evaluate(method, fields(*pairs), etag=TAG, last_modified=MOMENT) is verdict


@pytest.mark.parametrize(
    ("pairs", "verdict"),
    [
        ((("if-match", "*"),), REFUSED),
        ((("if-match", '"now"'),), REFUSED),
        ((("if-none-match", "*"),), GOES_ON),
        ((("if-none-match", '"now"'),), GOES_ON),
    ],
)
def test_nothing_is_there_yet(pairs: tuple[tuple[str, str], ...], verdict: Verdict) -> None:
    assert evaluate("PUT", fields(*pairs), exists=False) is verdict
    assert evaluate("PUT", fields(*pairs), etag=TAG, exists=False) is verdict


def test_a_weak_tag_is_never_exact() -> None:
    assert evaluate("PUT", fields(("if-match", 'W/"now"')), etag=WEAK) is REFUSED
    assert evaluate("PUT", fields(("if-match", '"now"')), etag=WEAK) is REFUSED
    assert evaluate("GET", fields(("if-none-match", '"now"')), etag=WEAK) is SAME_AS_EVER


def test_without_validators_only_the_star_holds() -> None:
    asked = fields(("if-modified-since", SAME), ("if-unmodified-since", BEFORE))
    assert evaluate("GET", asked) is GOES_ON
    assert evaluate("GET", fields(("if-none-match", '"now"'))) is GOES_ON
    assert evaluate("GET", fields(("if-none-match", "*"))) is SAME_AS_EVER


@pytest.mark.parametrize(
    ("value", "applies"),
    [
        ('"now"', True),
        ('"old"', False),
        ('W/"now"', False),
        (SAME, True),
        (BEFORE, False),
        (AFTER, False),
        ("garbage", False),
        ("", False),
    ],
)
def test_a_range_of_another_version_does_not_count(value: str, applies: bool) -> None:
    assert range_applies(fields(("if-range", value)), etag=TAG, last_modified=MOMENT) is applies


def test_a_range_counts_where_no_version_is_named() -> None:
    assert range_applies(fields(), etag=TAG)
    assert not range_applies(fields(("if-range", '"now"'), ("if-range", '"now"')), etag=TAG)
    assert not range_applies(fields(("if-range", '"now"')), etag=WEAK)
    assert not range_applies(fields(("if-range", SAME)), etag=TAG)


@given(st.lists(st.text(alphabet='W/"a, *\t\\', max_size=30), max_size=4))
def test_no_field_whatsoever_breaks_the_reading(values: list[str]) -> None:
    tags = parse_entity_tags(values)
    assert tags == "*" or all(parse_entity_tag(str(tag)) == tag for tag in tags if isinstance(tag, EntityTag))


def test_a_hostile_list_is_read_in_one_pass() -> None:
    for part in (" ", ",", ", ", '"', '",', 'W/"', 'W/"a" '):
        parse_entity_tags([part * 20_000])  # quadratic reading would take minutes
