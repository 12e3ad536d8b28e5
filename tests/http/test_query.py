"""Query strings and forms: the WHATWG parser, its bound, and fields that repeat."""

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagi.http.errors import PeerError
from pagi.http.query import FormData, MultiDict, Query, TooManyFields, parse_form, split_urlencoded
from pagi.http.url import encode_query


@pytest.mark.parametrize(
    ("raw", "fields"),
    [
        (b"", []),
        (b"&&", []),
        (b"a", [("a", "")]),
        (b"=", [("", "")]),
        (b"=b", [("", "b")]),
        (b"a=b=c", [("a", "b=c")]),
        (b"a=1&b=2&a=3", [("a", "1"), ("b", "2"), ("a", "3")]),
        (b"a=1;b=2", [("a", "1;b=2")]),
        (b"a+b=c+d", [("a b", "c d")]),
        (b"a%2Bb=%26%3D", [("a+b", "&=")]),
        (b"a=%", [("a", "%")]),
        (b"a=%4", [("a", "%4")]),
        (b"a=%zz%41", [("a", "%zzA")]),
        (b"a=%C3%A9", [("a", "é")]),
        (b"a=\xc3\xa9", [("a", "é")]),
        (b"a=%FF", [("a", "\ufffd")]),
        (b"a=\xff", [("a", "\ufffd")]),
        (b"%EF%BB%BFa=1", [("\ufeffa", "1")]),
    ],
)
def test_urlencoded_text_is_split_as_the_standard_says(raw: bytes, fields: list[tuple[str, str]]) -> None:
    assert split_urlencoded(raw) == fields


def test_as_many_fields_as_allowed_pass() -> None:
    assert len(split_urlencoded(b"&".join([b"a=1"] * 1000))) == 1000


def test_one_field_more_is_the_peer_s_fault_with_both_numbers() -> None:
    with pytest.raises(TooManyFields, match="4 fields, the limit is 3") as caught:
        split_urlencoded(b"a&b&c&d", max_fields=3)
    assert isinstance(caught.value, PeerError)
    assert (caught.value.status, caught.value.count, caught.value.limit) == (400, 4, 3)


def test_empty_fields_count_toward_the_bound() -> None:
    with pytest.raises(TooManyFields):
        Query.parse(b"&" * 1000)


@given(st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8)), max_size=8))
def test_fields_survive_encoding_and_splitting(fields: list[tuple[str, str]]) -> None:
    assert split_urlencoded(encode_query(fields).encode("ascii")) == fields


@given(st.text(alphabet="ab=&+%4", max_size=30))
def test_splitting_agrees_with_the_standard_library(text: str) -> None:
    assert split_urlencoded(text.encode()) == parse_qsl(text, keep_blank_values=True)


@given(st.binary(max_size=60))
def test_any_bytes_can_be_split(raw: bytes) -> None:
    assert len(split_urlencoded(raw)) <= raw.count(b"&") + 1


@given(st.lists(st.sampled_from([b"a", b"=", b"&", b"\xc3", b"\xa9", b"\xe2\x82", b"\xff"]), max_size=12).map(b"".join))
def test_raw_and_escaped_bytes_read_alike(raw: bytes) -> None:
    escaped = b"".join(b"%%%02X" % byte if byte > 127 else bytes([byte]) for byte in raw)
    assert split_urlencoded(raw) == split_urlencoded(escaped)


def test_the_last_of_equal_names_wins() -> None:
    query = Query.parse(b"a=1&a=2")
    assert query["a"] == query.get("a") == "2"


def test_get_all_gives_every_value_in_order() -> None:
    query = Query.parse(b"a=1&b=2&a=3")
    assert query.get_all("a") == ["1", "3"]
    assert query.get_all("c") == []


def test_missing_names_raise_or_give_the_default() -> None:
    query = Query.parse(b"a=1")
    assert query.get("b") is None
    assert query.get("b", 5) == 5
    assert "b" not in query
    with pytest.raises(KeyError, match="b"):
        query["b"]


def test_keys_count_names_once_and_items_every_field() -> None:
    query = Query.parse(b"a=1&b=2&a=3")
    assert query.keys() == list(query) == ["a", "b"]
    assert len(query) == 2
    assert query.items() == [("a", "1"), ("b", "2"), ("a", "3")]
    assert dict(query) == {"a": "3", "b": "2"}


def test_fields_taken_out_cannot_change_the_original() -> None:
    query = Query.parse(b"a=1")
    query.items().clear()
    assert query.items() == [("a", "1")]


def test_a_list_changed_after_construction_changes_nothing() -> None:
    fields = [("a", 1)]
    multi = MultiDict(fields)
    fields.append(("a", 2))
    assert multi.items() == [("a", 1)]


def test_equal_fields_are_equal() -> None:
    assert Query.parse(b"a=1") == Query([("a", "1")]) != Query([("a", "2")])


def test_a_form_is_read_like_a_query() -> None:
    form = parse_form(b"name=Ada+L.&name=%C3%89va")
    assert isinstance(form, FormData)
    assert form.get_all("name") == ["Ada L.", "Éva"]
