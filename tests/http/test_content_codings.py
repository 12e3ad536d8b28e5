"""Accept-Encoding: what is read from it, and what is chosen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagi.http.content_codings import best_coding, parse_accept_encoding


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("gzip", {"gzip": 1.0}),
        ("GZIP , br", {"gzip": 1.0, "br": 1.0}),
        ("gzip;q=0.5", {"gzip": 0.5}),
        ("gzip ; Q=.25", {"gzip": 0.25}),
        ("gzip;q=2", {"gzip": 1.0}),
        ("gzip;level=9;q=0.1", {"gzip": 0.1}),
        ("gzip;q=0, gzip", {"gzip": 0.0}),
        ("x-gzip, x-compress;q=0.1", {"gzip": 1.0, "compress": 0.1}),
        ("*;q=0", {"*": 0.0}),
        ("gzip;q=high, br", {"br": 1.0}),
        ("gzip;q=-1, br", {"br": 1.0}),
        ("gzip;q=1e3", {}),
        ("gzip;q=nan", {}),
        ("what is this, (gzip)", {}),
        (",, ;q=1", {}),
        ("", {}),
    ],
)
def test_what_the_field_names(header: str, wanted: dict[str, float]) -> None:
    assert parse_accept_encoding(header) == wanted


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        (None, None),
        ("", None),
        ("gzip", "gzip"),
        ("br", "br"),
        ("gzip, br", "br"),
        ("gzip, br;q=0.9", "gzip"),
        ("gzip;q=0", None),
        ("gzip;q=0.001", "gzip"),
        ("deflate, zstd", None),
        ("*", "br"),
        ("*, br;q=0", "gzip"),
        ("gzip;q=0, *;q=0", None),
        ("identity", None),
        ("identity, gzip", "gzip"),
        ("identity, gzip;q=0.5", None),
        ("identity;q=0", None),
        ("identity;q=0, gzip;q=0.1", "gzip"),
        ("identity;q=0.5, *;q=0.6", "br"),
        ("notgzip, gzipped", None),
    ],
)
def test_what_is_chosen_of_br_and_gzip(header: str | None, chosen: str | None) -> None:
    assert best_coding(header, ["br", "gzip"]) == chosen


WEIGHTS = st.one_of(st.just(""), st.floats(0, 1).map(lambda weight: f";q={weight:.3f}"), st.text(max_size=5).map(lambda text: f";q={text}"))
PARTS = st.tuples(st.sampled_from(["gzip", "br", "*", "identity", "x-gzip", "", "GZip", '"gzip"']), WEIGHTS).map("".join)
FIELDS = st.one_of(st.text(max_size=60), st.lists(PARTS, max_size=6).map(", ".join))


@given(FIELDS)
def test_whatever_comes_only_what_is_wanted_is_chosen(header: str) -> None:
    chosen = best_coding(header, ["br", "gzip"])
    wanted = parse_accept_encoding(header)
    assert all(0 <= weight <= 1 for weight in wanted.values())
    if chosen is not None:
        assert chosen in ("br", "gzip")
        weight = wanted.get(chosen, wanted.get("*", 0))
        assert weight > 0
        assert weight >= wanted.get("identity", 0)
        assert all(weight >= wanted.get(other, wanted.get("*", 0)) for other in ("br", "gzip"))
