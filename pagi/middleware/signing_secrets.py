"""Secrets that sign: which are taken, and the refusal of those that could be guessed."""

from collections.abc import Sequence

from pagi.http.errors import ConfigError

LEAST_CHARACTERS = 32
_LEAST_DISTINCT = 8
"""Hexadecimal secrets of that length have about 14 different characters, and fewer than 8 about never."""
_PLACEHOLDERS = ("secret", "password", "changeme", "change-me", "change_me", "insecure", "placeholder")


class WeakSecret(ConfigError):
    """A secret is so short or so plain that somebody could guess it, and then sign whatever he likes. It is not repeated here."""

    def __init__(self, problem: str) -> None:
        super().__init__(f'{problem}; make one with: python -c "import secrets; print(secrets.token_urlsafe(32))"')


def checked_secrets(secret: str | Sequence[str]) -> list[str]:
    """The secrets, the one that signs first; the others only verify what was signed before it came.

    Raises:
        WeakSecret: there is none, or one of them is too weak.
    """
    secrets = [secret] if isinstance(secret, str) else list(secret)
    if not secrets:
        raise WeakSecret("there is no secret to sign with")
    for place, each in enumerate(secrets, 1):
        _check(each, "the secret" if len(secrets) == 1 else f"secret {place} of {len(secrets)}")
    return secrets


def _check(secret: str, called: str) -> None:
    if len(secret) < LEAST_CHARACTERS:
        raise WeakSecret(f"{called} has {len(secret)} characters, fewer than {LEAST_CHARACTERS}")
    if len(set(secret)) < _LEAST_DISTINCT:
        raise WeakSecret(f"{called} is made of {len(set(secret))} different characters")
    # A text that repeats itself is found in two copies of it before the second one ends.
    if secret in (secret + secret)[1:-1]:
        raise WeakSecret(f"{called} is one part repeated")
    for word in _PLACEHOLDERS:
        if word in secret.lower():
            raise WeakSecret(f"{called} holds the word {word!r}, as placeholders do")
