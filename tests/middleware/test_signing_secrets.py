"""Secrets: the weak ones are refused, without repeating them."""

import secrets

import pytest

from pagi import ConfigError
from pagi.middleware.signing_secrets import WeakSecret, checked_secrets

GOOD = "Kq3vT8yZ1mB6nW4xR9cP2dF7gH5jL0aQ"


@pytest.mark.parametrize(
    ("secret", "problem"),
    [
        ("", "the secret has 0 characters, fewer than 32"),
        (GOOD[:31], "the secret has 31 characters, fewer than 32"),
        ("a" * 40, "made of 1 different characters"),
        ("ab" * 20, "made of 2 different characters"),
        ("changeme" * 4, "made of 7 different characters"),
        ("abcdefghij" * 4, "one part repeated"),
        ("django-insecure-5!k$2x(9q#w@e8r7t6y", "the word 'insecure'"),
        ("YOUR-SECRET-KEY-GOES-HERE-0123456789", "the word 'secret'"),
        ("please-change-me-before-production-1", "the word 'change-me'"),
        ([], "there is no secret"),
        ([GOOD, "short"], "secret 2 of 2 has 5 characters"),
    ],
)
def test_a_secret_that_could_be_guessed_is_refused(secret: str | list[str], problem: str) -> None:
    with pytest.raises(WeakSecret, match=problem) as caught:
        checked_secrets(secret)
    assert isinstance(caught.value, ConfigError)
    assert 'python -c "import secrets; print(secrets.token_urlsafe(32))"' in str(caught.value)
    assert not isinstance(secret, str) or secret == "" or secret not in str(caught.value)


@pytest.mark.parametrize("make", [secrets.token_urlsafe, secrets.token_hex])
def test_what_the_remedy_makes_is_taken(make: type) -> None:
    for _ in range(200):
        assert len(checked_secrets(make(32))) == 1


def test_hexadecimal_of_the_least_length_is_taken() -> None:
    for _ in range(200):
        checked_secrets(secrets.token_hex(16))


def test_the_one_that_signs_stays_first() -> None:
    assert checked_secrets([GOOD, GOOD[::-1]]) == [GOOD, GOOD[::-1]]
    assert checked_secrets(GOOD) == [GOOD]
