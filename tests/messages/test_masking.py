"""Secrets: which names mean one, and that their values are hidden wherever they turn up."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagi.messages.masking import MASK, MOST_LEARNED, Masker, is_secret


@pytest.mark.parametrize(
    "name",
    [
        "Authorization",
        "proxy-authorization",
        "Cookie",
        "set-cookie",
        "X-Api-Key",
        "apiKey",
        "api_keys",
        "password",
        "PASSWORD2",
        "db_passwd",
        "pwd",
        "secret",
        "CLIENT_SECRET",
        "accessToken",
        "X-CSRF-Token",
        "session",
        "sessionid",
        "PHPSESSIONID",
        "sid",
        "jwt",
        "key",
        "private_key",
        "credentials",
        "user_auth",
        "otp",
        "pin",
        "x-amz-signature",
    ],
)
def test_a_secrets_name_is_known_in_every_style(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize(
    "name", ["author", "monkey", "keyboard", "ping", "user", "id", "path", "x-request-id", "accept", "spinner", "outside", ""]
)
def test_an_ordinary_name_is_left_alone(name: str) -> None:
    assert not is_secret(name)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("password='hunter2'", f"password={MASK}"),
        ('{"access_token": "abc", "n": 1}', f'{{"access_token": {MASK}, "n": 1}}'),
        ("{'secret': b'abc\\'d'}", f"{{'secret': {MASK}}}"),
        ("[(b'authorization', b'Bearer abc'), (b'host', b'x')]", f"[(b'authorization', {MASK}), (b'host', b'x')]"),
        ("/cb?code=1&token=abc&x=2", f"/cb?code=1&token={MASK}&x=2"),
        ("Authorization: Bearer abc.def", f"Authorization: {MASK}"),
        ("Cookie: a=b; c=d", f"Cookie: {MASK}"),
        ("postgresql://me:pw@db:5432/x", f"postgresql://me:{MASK}@db:5432/x"),
        ("Config(api_key=abc, debug=True)", f"Config(api_key={MASK}, debug=True)"),
        ("password='never closed", f"password={MASK}"),
    ],
)
def test_a_value_under_a_secrets_name_is_hidden_in_any_text(text: str, shown: str) -> None:
    assert Masker().text(text) == shown


@pytest.mark.parametrize(
    "text", ["invalid token: expected 3 parts", "no session, log in first", "http://host:80/x", "a key is missing", "KeyError: 'password'"]
)
def test_what_an_error_says_about_a_secret_stays_readable(text: str) -> None:
    assert Masker().text(text) == text


def test_a_learned_value_is_hidden_wherever_it_appears() -> None:
    masker = Masker()
    masker.learn(b"Bearer abc.def-ghi")
    masker.learn("theme=midnight; sid=0123456789")
    assert masker.text("auth is abc.def-ghi, sid 0123456789") == f"auth is {MASK}, sid {MASK}"


def test_a_learned_value_is_known_in_its_written_form() -> None:
    masker = Masker()
    masker.learn("a'b\\c\nd\te")
    assert masker.text(repr({"x": "a'b\\c\nd\te"})) == f"{{'x': \"{MASK}\"}}"


def test_a_short_value_is_not_hunted_for() -> None:
    masker = Masker()
    masker.learn("1")
    assert masker.text("page 1 of 10") == "page 1 of 10"


def test_what_is_learned_is_bounded() -> None:
    masker = Masker()
    masker.learn("; ".join(f"name{n}=value{n:06}" for n in range(5000)))
    assert masker.text(" ".join(f"value{n:06}" for n in range(700))).count(MASK) <= MOST_LEARNED


def test_source_shows_what_is_computed_and_hides_what_is_written_out() -> None:
    masker = Masker()
    assert masker.source("token = read_token(request)") == "token = read_token(request)"
    assert masker.source('login(user, password="hunter2")') == f"login(user, password={MASK})"


@given(st.text(max_size=2000))
def test_any_text_is_masked_without_an_error(text: str) -> None:
    masker = Masker()
    masker.learn(text)
    masker.text(text)
    masker.source(text)


@pytest.mark.parametrize(
    "text", ["a." * 20_000, "token" * 10_000, "x-token.-" * 5000, "password='" * 5000, "a://" * 10_000, "'\\" * 20_000]
)
def test_no_text_takes_long(text: str) -> None:
    start = time.monotonic()
    Masker().text(text)
    assert time.monotonic() - start < 5, "some pattern is not linear"
