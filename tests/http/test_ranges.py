"""Byte ranges: what is asked for, what is too much to ask, and a naive model beside it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagi.http.ranges import (
    GAP_BYTES,
    MOST_RANGES,
    ByteRange,
    RangeNotSatisfiable,
    length_of,
    multipart,
    multipart_type,
    requested_ranges,
)

SIZE = 1000

NUMBERS = st.integers(min_value=0, max_value=50)
SPECS = st.one_of(
    st.tuples(NUMBERS, NUMBERS).map(lambda pair: f"{min(pair)}-{max(pair)}"),
    NUMBERS.map(lambda number: f"{number}-"),
    NUMBERS.map(lambda number: f"-{number}"),
)


@pytest.mark.parametrize(
    ("field", "ranges"),
    [
        ("bytes=0-0", [(0, 1)]),
        ("bytes=0-99", [(0, 100)]),
        ("bytes=500-", [(500, 500)]),
        ("bytes=0-", [(0, 1000)]),
        ("bytes=999-", [(999, 1)]),
        ("bytes=990-2000", [(990, 10)]),
        ("bytes=-1", [(999, 1)]),
        ("bytes=-1000", [(0, 1000)]),
        ("bytes=-5000", [(0, 1000)]),
        ("BYTES=0-99", [(0, 100)]),
        ("bytes=0-99, 500-599 ,\t-100", [(0, 100), (500, 100), (900, 100)]),
        ("bytes=,0-99,,", [(0, 100)]),
        ("bytes=-100,0-99", [(900, 100), (0, 100)]),
        ("bytes=0-99,5000-", [(0, 100)]),
        ("bytes=0-99,-0", [(0, 100)]),
        ("bytes=0000000000000000000000000-00000000000000000000099", [(0, 100)]),
        ("bytes=0-" + "9" * 5000, [(0, 1000)]),
        ("bytes=-" + "9" * 5000, [(0, 1000)]),
    ],
)
def test_ranges_are_read(field: str, ranges: list[tuple[int, int]]) -> None:
    assert requested_ranges([field], SIZE) == ranges


@pytest.mark.parametrize(
    "field",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=--5",
        "bytes=5",
        "bytes=9-0",
        "bytes=0-9,9-0",
        "bytes=0-9,x",
        "bytes=0x1-9",
        "bytes=+1-9",
        "bytes=1-9-",
        "bytes=1_0-99",
        "bytes=1.0-9",
        "bytes=\u0660-\u0669",
        "bytes= 0-9;5",
        "bytes =0-9",
        " bytes=0-9",
        "bytes=0 - 9",
        "lines=0-9",
        "bytes=0-9\n",
        "none=0-9",
    ],
)
def test_what_is_malformed_is_ignored(field: str) -> None:
    assert requested_ranges([field], SIZE) is None


@pytest.mark.parametrize("field", ["bytes=1000-", "bytes=1000-2000", "bytes=-0", "bytes=1000-,-0", "bytes=" + "9" * 40 + "-"])
def test_what_does_not_exist_is_refused_with_the_size(field: str) -> None:
    with pytest.raises(RangeNotSatisfiable) as caught:
        requested_ranges([field], SIZE)
    assert (caught.value.status, caught.value.content_range) == (416, "bytes */1000")


def test_a_field_given_twice_counts_as_none() -> None:
    assert requested_ranges(["bytes=0-1", "bytes=0-1"], SIZE) is None
    assert requested_ranges([], SIZE) is None


def test_nothing_is_always_sent_whole() -> None:
    assert [requested_ranges([field], 0) for field in ("bytes=0-", "bytes=-5", "bytes=5-9")] == [None, None, None]


def test_more_ranges_than_anybody_needs_are_ignored() -> None:
    members = [f"{number * 200}-{number * 200}" for number in range(MOST_RANGES + 1)]
    assert len(requested_ranges(["bytes=" + ",".join(members[:-1])], 10_000) or ()) == MOST_RANGES
    assert requested_ranges(["bytes=" + ",".join(members)], 10_000) is None
    assert requested_ranges(["bytes=0-,0-"], SIZE, most=1) is None


@pytest.mark.parametrize(
    ("field", "ranges"),
    [
        ("bytes=0-99,50-149", [(0, 150)]),
        ("bytes=0-99,100-199", [(0, 200)]),
        (f"bytes=0-99,{100 + GAP_BYTES}-199", [(0, 200)]),
        (f"bytes=0-99,{101 + GAP_BYTES}-199", [(0, 100), (181, 19)]),
        ("bytes=0-999,10-19,5-", [(0, 1000)]),
        ("bytes=900-999,0-9,850-860", [(850, 150), (0, 10)]),
        ("bytes=500-509,0-9,505-520,5-7", [(500, 21), (0, 10)]),
    ],
)
def test_ranges_that_touch_become_one_at_the_place_of_the_first(field: str, ranges: list[tuple[int, int]]) -> None:
    assert requested_ranges([field], SIZE) == ranges


def test_several_parts_are_delimited() -> None:
    pieces = multipart([ByteRange(0, 2), ByteRange(5, 3)], 9, "text/plain", "cut")
    filled = b"".join(piece if isinstance(piece, bytes) else b"012345678"[piece.offset : piece.end] for piece in pieces)
    assert filled == (
        b"--cut\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-1/9\r\n\r\n01"
        b"\r\n--cut\r\nContent-Type: text/plain\r\nContent-Range: bytes 5-7/9\r\n\r\n567"
        b"\r\n--cut--\r\n"
    )
    assert length_of(pieces) == len(filled)
    assert multipart_type("cut") == "multipart/byteranges; boundary=cut"


def wanted(spec: str, size: int) -> set[int]:
    """The naive model: every byte that one range names."""
    first, last = spec.split("-")
    if not first:
        return set(range(size)[max(size - int(last), 0) :])
    return {place for place in range(size) if place >= int(first) and (not last or place <= int(last))}


@given(st.lists(SPECS, min_size=1, max_size=MOST_RANGES), st.integers(min_value=1, max_value=40))
def test_every_byte_that_was_asked_for_is_there_once(specs: list[str], size: int) -> None:
    asked = set[int]().union(*(wanted(spec, size) for spec in specs))
    try:
        ranges = requested_ranges(["bytes=" + ",".join(specs)], size)
    except RangeNotSatisfiable:
        assert asked == set()
        return
    assert ranges is not None
    given = [place for each in ranges for place in range(each.offset, each.end)]
    assert len(given) == len(set(given))
    assert asked <= set(given) <= set(range(size))
    assert all(each.length > 0 for each in ranges)
    if len(specs) == 1:
        assert set(given) == asked


@given(st.text(max_size=60), st.integers(min_value=0, max_value=10**6))
def test_no_field_whatsoever_leads_outside(text: str, size: int) -> None:
    for field in (text, f"bytes={text}"):
        try:
            ranges = requested_ranges([field], size)
        except RangeNotSatisfiable:
            continue
        assert all(0 <= each.offset < each.end <= size for each in ranges or ())
