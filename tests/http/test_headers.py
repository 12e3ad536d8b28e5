"""Header views: look-up without case, what may be set, lists."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagi.http.errors import AppError
from pagi.http.headers import HOP_BY_HOP, Headers, InvalidHeader, MutableHeaders, encode_name, encode_value, parse_list, unquote

PAIRS = [(b"Accept", b"text/html"), (b"x-tag", b"a"), (b"X-Tag", b"b\xe9")]


def test_names_are_found_without_regard_to_case() -> None:
    assert Headers(PAIRS)["ACCEPT"] == "text/html"


def test_the_last_of_repeated_fields_wins_and_is_latin_1() -> None:
    assert Headers(PAIRS).get("x-tag") == "bé"


def test_get_all_gives_every_value_in_order() -> None:
    assert Headers(PAIRS).get_all("X-TAG") == ["a", "bé"]


def test_a_missing_name_raises_with_its_name() -> None:
    with pytest.raises(KeyError, match="cookie"):
        Headers(PAIRS)["cookie"]


@pytest.mark.parametrize("name", ["cookie", "", "ключ", "?", "x tag"])
def test_a_name_that_is_not_there_gives_the_default(name: str) -> None:
    headers = Headers(PAIRS)
    assert headers.get(name) is None
    assert headers.get(name, 3) == 3
    assert headers.get_all(name) == []
    assert name not in headers


def test_a_key_that_is_not_text_is_not_in_headers() -> None:
    assert b"accept" not in Headers(PAIRS)


def test_an_empty_value_is_a_value() -> None:
    assert Headers([(b"x-empty", b"")]).get("x-empty", "default") == ""


def test_keys_and_length_count_names_once_and_items_every_field() -> None:
    headers = Headers(PAIRS)
    assert list(headers) == headers.keys() == ["accept", "x-tag"]
    assert len(headers) == 2
    assert headers.items() == [("accept", "text/html"), ("x-tag", "a"), ("x-tag", "bé")]


def test_headers_turn_into_a_dict_of_last_values() -> None:
    assert dict(Headers(PAIRS)) == {"accept": "text/html", "x-tag": "bé"}


def test_raw_is_the_list_that_was_given() -> None:
    assert Headers(PAIRS).raw is PAIRS


def test_headers_are_equal_by_fields_and_not_by_case_of_names() -> None:
    assert Headers([(b"A", b"1")]) == MutableHeaders([(b"a", b"1")])
    assert Headers([(b"a", b"1")]) != Headers([(b"a", b"2")])


def test_an_adopted_list_stays_live_and_gets_lower_case_names() -> None:
    raw = [(b"Content-Type", b"text/html"), (b"x", b"1")]
    headers = MutableHeaders(raw)
    headers.set("X", "2")
    assert headers.raw is raw
    assert raw == [(b"content-type", b"text/html"), (b"x", b"2")]


def test_a_field_appended_to_the_live_list_is_seen() -> None:
    headers = MutableHeaders([(b"a", b"1")])
    assert headers["a"] == "1"
    headers.raw.append((b"a", b"2"))
    assert headers["a"] == "2"


def test_set_replaces_every_field_of_the_name_in_the_place_of_the_first() -> None:
    headers = MutableHeaders([(b"a", b"1"), (b"b", b"2"), (b"a", b"3"), (b"c", b"4")])
    headers["A"] = "9"
    assert headers.raw == [(b"a", b"9"), (b"b", b"2"), (b"c", b"4")]


def test_add_keeps_what_is_there() -> None:
    headers = MutableHeaders.of([("Set-Cookie", "a=1")])
    headers.add("set-cookie", "b=2")
    assert headers.get_all("Set-Cookie") == ["a=1", "b=2"]


def test_set_default_leaves_a_present_value() -> None:
    headers = MutableHeaders.of([("a", "")])
    assert headers.set_default("A", "new") == ""
    assert headers.set_default("b", "new") == "new"
    assert headers.raw == [(b"a", b""), (b"b", b"new")]


def test_remove_returns_the_values_and_is_silent_about_a_missing_name() -> None:
    headers = MutableHeaders([(b"a", b"1"), (b"b", b"2"), (b"a", b"3")])
    raw = headers.raw
    assert headers.remove("A") == ["1", "3"]
    assert headers.remove("A") == []
    assert headers.raw is raw == [(b"b", b"2")]


def test_del_of_a_missing_name_raises() -> None:
    headers = MutableHeaders.of([("a", "1")])
    del headers["A"]
    with pytest.raises(KeyError):
        del headers["a"]


@pytest.mark.parametrize(
    ("before", "name", "after"),
    [
        ([], "Accept", ["Accept"]),
        (["accept"], "Accept", ["accept"]),
        (["Origin"], "Accept", ["Origin, Accept"]),
        (["Origin", "Accept-Encoding"], "Accept", ["Origin, Accept-Encoding, Accept"]),
        (["*"], "Accept", ["*"]),
        (["Origin"], "*", ["*"]),
    ],
)
def test_vary_names_a_field_once(before: list[str], name: str, after: list[str]) -> None:
    headers = MutableHeaders.of(("vary", value) for value in before)
    headers.vary(name)
    assert headers.get_all("vary") == after


@pytest.mark.parametrize("name", ["", " ", "a b", "a:", "é", "a\n", "a\r\nb", "\0", "(a)", "a@b", "[a]"])
def test_a_name_that_is_no_token_is_refused(name: str) -> None:
    headers = MutableHeaders()
    for change in (headers.set, headers.add, headers.set_default):
        with pytest.raises(InvalidHeader, match="not a token") as caught:
            change(name, "value")
        assert caught.value.name == name
    assert headers.raw == []


@pytest.mark.parametrize("value", ["a\r\nb: c", "a\n", "\r", "\0", "a\x01", "\x1f", "\x7f", "€", "\ud800"])
def test_a_value_with_control_characters_or_beyond_latin_1_is_refused(value: str) -> None:
    headers = MutableHeaders()
    for change in (headers.set, headers.add, headers.set_default):
        with pytest.raises(InvalidHeader, match="index"):
            change("x-a", value)
    assert headers.raw == []


def test_a_refusal_is_the_application_s_fault_and_a_value_error() -> None:
    assert issubclass(InvalidHeader, AppError)
    assert issubclass(InvalidHeader, ValueError)


@pytest.mark.parametrize("value", ["", "a b", "a\tb", "é", "\x80", "\xff", "~"])
def test_tabs_and_latin_1_are_allowed_in_values(value: str) -> None:
    headers = MutableHeaders()
    headers.set("x-a", value)
    assert headers.raw == [(b"x-a", value.encode("latin-1"))]


@pytest.mark.parametrize("value", [5, b"bytes", None])
def test_a_value_that_is_not_text_is_a_type_error_with_the_remedy(value: object) -> None:
    with pytest.raises(TypeError, match="convert it with"):
        encode_value("x-a", value)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="convert it with"):
        MutableHeaders().set("x-a", value)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@given(st.text(max_size=20))
def test_every_name_is_refused_or_a_lower_case_token(name: str) -> None:
    try:
        encoded = encode_name(name)
    except InvalidHeader:
        assert not name or any(not (char.isascii() and (char.isalnum() or char in "!#$%&'*+-.^_`|~")) for char in name)
    else:
        assert encoded.decode() == name.lower()


@given(st.text(alphabet=st.characters(max_codepoint=0x120), max_size=20))
def test_every_value_is_refused_or_goes_out_unchanged_without_controls(value: str) -> None:
    try:
        encoded = encode_value("x", value)
    except InvalidHeader:
        assert any((ord(char) < 0x20 and char != "\t") or ord(char) == 0x7F or ord(char) > 0xFF for char in value)
    else:
        assert encoded.decode("latin-1") == value
        assert not set(encoded) & (set(range(32)) - {9} | {127})


@pytest.mark.parametrize(
    ("value", "elements"),
    [
        ("", []),
        (" , ,", []),
        ("a", ["a"]),
        ("a,b", ["a", "b"]),
        (" a ,\tb ", ["a", "b"]),
        ('"a,b", c', ['"a,b"', "c"]),
        (r'"a\",b", c', [r'"a\",b"', "c"]),
        ('x="1,2";q=0.5,y', ['x="1,2";q=0.5', "y"]),
        ('a, "never closed, b', ["a", '"never closed, b']),
        ('"', ['"']),
        ("\xa0a", ["\xa0a"]),
    ],
)
def test_lists_split_at_commas_outside_quotes(value: str, elements: list[str]) -> None:
    assert parse_list(value) == elements


@given(st.text(alphabet='a,"\\ \n', max_size=40))
def test_splitting_a_list_loses_only_commas_and_blanks(value: str) -> None:
    drop = str.maketrans("", "", ", ")
    assert "".join(parse_list(value)).translate(drop) == value.translate(drop)


@pytest.mark.parametrize(
    ("value", "text"),
    [('"a"', "a"), ('""', ""), ('"', '"'), ("a", "a"), ("", ""), (r'"a\"b\\c"', r'a"b\c'), ('"a', '"a')],
)
def test_unquote_takes_quotes_and_escapes_away(value: str, text: str) -> None:
    assert unquote(value) == text


def test_hop_by_hop_names_are_lower_case() -> None:
    assert {"connection", "transfer-encoding", "te"} <= HOP_BY_HOP
    assert all(name == name.lower() for name in HOP_BY_HOP)
