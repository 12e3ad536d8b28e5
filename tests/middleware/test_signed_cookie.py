"""A signed cookie: whatever is not byte for byte what we wrote says nothing."""

import base64
import hashlib
import hmac
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagi import ConfigError
from pagi.middleware.signed_cookie import MAX_BYTES, CookieTooLarge, SignedCookie, decode_payload, encode_payload
from tests.clock import Clock

NEW = "Kq3vT8yZ1mB6nW4xR9cP2dF7gH5jL0aQ"
OLD = "pW8eR2tY6uI0oP4aS7dF1gH5jK9lZ3xC"
PAYLOAD = encode_payload(b'[{"user":7},null]')


def cookie(name: str = "session", *secrets: str, clock: Clock | None = None, **options: Any) -> SignedCookie:
    values: dict[str, Any] = {
        "purpose": "session", "path": "/", "domain": None, "secure": "auto", "samesite": "lax", "httponly": True, **options,
    }  # fmt: skip
    return SignedCookie(name, secrets=secrets or (NEW,), clock=clock or Clock(), **values)


def issued(by: SignedCookie, payload: str = PAYLOAD) -> str:
    return by.issue(payload, max_age=60, scheme="http").split(";")[0].partition("=")[2]


WRITTEN = issued(cookie())


def test_what_we_wrote_comes_back_with_its_age() -> None:
    clock = Clock()
    ours = cookie(clock=clock)
    value = issued(ours)
    clock.now += 30
    opened = ours.open(value)
    assert opened is not None
    assert (opened.payload, opened.age_seconds) == (PAYLOAD, 30.0)


@pytest.mark.parametrize("length", range(len(WRITTEN)))
def test_a_truncated_cookie_says_nothing(length: int) -> None:
    assert cookie().open(WRITTEN[:length]) is None
    assert cookie().open(WRITTEN[length + 1 :]) is None


@given(place=st.integers(0, 8 * len(WRITTEN) - 1))
def test_a_cookie_with_one_bit_flipped_says_nothing(place: int) -> None:
    data = bytearray(WRITTEN.encode())
    data[place // 8] ^= 1 << place % 8
    assert cookie().open(data.decode("latin-1")) is None


def test_no_other_spelling_of_the_same_bytes_is_taken() -> None:
    # 32 bytes leave two bits of the last character unused, and Python's decoder skips what it does not know.
    body, _, signature = WRITTEN.rpartition(".")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    taken = [letter for letter in alphabet if cookie().open(f"{body}.{signature[:-1]}{letter}")]
    assert taken == [signature[-1]]
    for other in (f"{body}.{signature}=", f"{body}.{signature} ", f"{body}.!{signature}", f"{body}.{signature}\n", f'"{WRITTEN}"'):
        assert cookie().open(other) is None


@given(st.text(st.characters(codec="latin-1"), max_size=200))
def test_noise_says_nothing(value: str) -> None:
    assert cookie().open(value) is None


@given(st.from_regex(r"\A[\w-]{0,20}\.[\w-]{0,12}\.[\w-]{40,44}\Z"))
def test_noise_of_our_form_says_nothing(value: str) -> None:
    assert cookie().open(value) is None


def signature(secret: str, salt: str, signed: str, digest: str = "sha256") -> str:
    key = hmac.new(secret.encode(), salt.encode(), "sha256").digest()
    return base64.urlsafe_b64encode(hmac.new(key, signed.encode(), digest).digest()).rstrip(b"=").decode()


def test_the_signature_is_hmac_sha256_over_payload_and_time() -> None:
    body, _, written = WRITTEN.rpartition(".")
    assert written == signature(NEW, "pagi.session.session", body)


BODY = WRITTEN.rpartition(".")[0]

FORGED = {
    "another secret": issued(cookie("session", OLD)),
    "another cookie of ours": issued(cookie("other")),
    "another purpose": issued(cookie(purpose="csrf")),
    "no salt": f"{BODY}.{signature(NEW, '', BODY)}",
    "a shorter digest": f"{BODY}.{signature(NEW, 'pagi.session.session', BODY, 'sha1')}",
    "a longer digest": f"{BODY}.{signature(NEW, 'pagi.session.session', BODY, 'sha512')}",
    "an unkeyed digest": f"{BODY}.{base64.urlsafe_b64encode(hashlib.sha256(BODY.encode()).digest()).rstrip(b'=').decode()}",
    "another payload": f"{encode_payload(b'[{}]')}.{WRITTEN.partition('.')[2]}",
    "another time": ".".join([WRITTEN.split(".")[0], "cT-zAQ", WRITTEN.split(".")[2]]),
    "a time past every calendar": ".".join([WRITTEN.split(".")[0], "_" * 11, WRITTEN.split(".")[2]]),
    "no payload": WRITTEN[WRITTEN.index(".") :],
    "no time": ".".join(WRITTEN.split(".")[::2]),
    "more parts": f"x.{WRITTEN}",
    "nothing": "",
    "not ASCII": "ü" + WRITTEN[1:],
    "digits of another script": WRITTEN.replace(WRITTEN[-1], "\u0663"),
    "something large": "A" * 100_000 + WRITTEN[WRITTEN.index(".") :],
}


@pytest.mark.parametrize("value", FORGED.values(), ids=FORGED)
def test_what_we_did_not_write_says_nothing(value: str) -> None:
    assert cookie().open(value) is None


def test_a_time_that_no_calendar_has_is_survived_even_if_it_is_signed() -> None:
    for stamp in ("_" * 11, "_" * 8):
        body = f"{PAYLOAD}.{stamp}"
        assert cookie().open(f"{body}.{signature(NEW, 'pagi.session.session', body)}") is None


def test_what_browsers_would_not_keep_is_not_even_verified() -> None:
    for size, is_taken in ((4000, True), (4100, False)):
        body = f"{'A' * size}.cT-zAA"
        assert (cookie().open(f"{body}.{signature(NEW, 'pagi.session.session', body)}") is not None) is is_taken


def test_an_older_secret_verifies_until_it_is_taken_out() -> None:
    value = issued(cookie("session", OLD))
    both = cookie("session", NEW, OLD)
    assert both.open(value) is not None
    assert cookie("session", NEW).open(value) is None
    assert cookie("session", OLD).open(issued(both)) is None
    assert cookie("session", NEW).open(issued(both)) is not None


def test_machines_whose_clocks_differ_a_little_understand_each_other() -> None:
    ahead, behind = Clock(1_900_000_050), Clock(1_900_000_000)
    value = issued(cookie(clock=ahead))
    opened = cookie(clock=behind).open(value)
    assert opened is not None
    assert opened.age_seconds == 0.0
    behind.now -= 60
    assert cookie(clock=behind).open(value) is None


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("session=a", "a"),
        ("x=1; session=a; session2=b", "a"),
        ("session=a; session=a", "a"),
        ("session=a; session=b", None),
        ("Session=a", None),
        ("x=1", None),
        ("", None),
    ],
)
def test_two_that_differ_are_none(header: str, found: str | None) -> None:
    assert cookie().find(header) == found


@pytest.mark.parametrize(
    ("options", "scheme", "field"),
    [
        ({}, "http", "Path=/; Max-Age=60; HttpOnly; SameSite=Lax"),
        ({}, "https", "Path=/; Max-Age=60; Secure; HttpOnly; SameSite=Lax"),
        ({}, "wss", "Path=/; Max-Age=60; Secure; HttpOnly; SameSite=Lax"),
        ({"secure": False}, "https", "Path=/; Max-Age=60; HttpOnly; SameSite=Lax"),
        ({"secure": True, "samesite": "none"}, "http", "Path=/; Max-Age=60; Secure; HttpOnly; SameSite=None"),
        (
            {"path": "/a", "domain": "example.org", "httponly": False, "samesite": "strict"},
            "ws",
            "Path=/a; Domain=example.org; Max-Age=60; SameSite=Strict",
        ),
        ({"samesite": None}, "http", "Path=/; Max-Age=60; HttpOnly"),
    ],
)
def test_it_is_set_and_removed_with_the_same_attributes(options: dict[str, Any], scheme: str, field: str) -> None:
    ours = cookie(**options)
    assert ours.issue(PAYLOAD, max_age=60, scheme=scheme).partition("; ")[2] == field
    removal = ours.removal(scheme)
    assert removal.startswith("session=; ")
    expected = field.replace("Max-Age=60", "Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT")
    assert removal.partition("; ")[2] == expected


@pytest.mark.parametrize(
    ("name", "options", "problem"),
    [
        ("__Host-session", {}, "__Host- needs secure=True"),
        ("__host-session", {"secure": False}, "__Host- needs secure=True"),
        ("__Host-session", {"secure": True, "path": "/a"}, "__Host-.*path='/'"),
        ("__Host-session", {"secure": True, "domain": "example.org"}, "__Host-.*no domain"),
        ("__Secure-session", {}, "__Secure- needs secure=True"),
        ("session", {"samesite": "none"}, "samesite none needs secure=True"),
        ("session", {"samesite": "sometimes"}, "none of lax, strict and none"),
        ("a b", {}, "not a token"),
        ("", {}, "not a token"),
        ("session", {"path": "a"}, "must start with /"),
        ("session", {"domain": "a_b;"}, "not a host name"),
    ],
)
def test_a_cookie_that_browsers_would_refuse_is_refused_when_it_is_made(name: str, options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        cookie(name, **options)


@pytest.mark.parametrize("name", ["__Host-session", "__Secure-session"])
def test_a_prefix_is_kept_where_its_rules_are(name: str) -> None:
    ours = cookie(name, secure=True)
    assert ours.open(issued(ours)) is not None


def test_a_cookie_may_be_as_large_as_browsers_keep() -> None:
    room = MAX_BYTES - len(cookie().issue("", max_age=60, scheme="http"))
    field = cookie().issue("A" * room, max_age=60, scheme="http")
    assert len(field) == MAX_BYTES
    with pytest.raises(CookieTooLarge, match="cookie 'session' would be 4,094 bytes, and browsers keep at most 4,093"):
        cookie().issue("A" * (room + 1), max_age=60, scheme="http")


@given(st.binary(max_size=100))
def test_a_payload_comes_back(data: bytes) -> None:
    payload = encode_payload(data)
    assert decode_payload(payload) == data
    if data:
        opened = cookie().open(issued(cookie(), payload))
        assert opened is not None
        assert opened.payload == payload
