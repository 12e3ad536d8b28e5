"""What no page may show: values under names that mean a secret, and the same values wherever they turn up again."""

import re
from functools import lru_cache

MASK = "••••••"

SECRET_WORDS = frozenset({
    "auth", "authorization", "bearer", "cookie", "credential", "csrf", "jwt", "key", "otp", "passphrase", "passwd", "password",
    "pin", "pwd", "secret", "session", "sid", "signature", "token", "xsrf",
})  # fmt: skip
"""A name with one of these words in it, or with several, is a secret's."""

SECRET_PARTS = ("authorization", "cookie", "credential", "passphrase", "passwd", "password", "secret", "session", "token", "apikey")
"""These make a name secret even inside a longer word."""

LEAST_LEARNED = 6
"""Characters of a value that is hidden wherever it appears: a shorter one would hide ordinary text."""
MOST_LEARNED = 300
MOST_TEXT = 10_000
"""Characters of one text that are looked through; the rest of it is never shown."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")

# Names are bounded, so that no text takes more than linear time.
_NAME = rf"[\w.-]{{0,40}}(?:{'|'.join([*SECRET_PARTS, 'api[_-]key', 'private[_-]key'])})[\w.-]{{0,40}}"
_HINT = re.compile("|".join([*SECRET_PARTS, "api[_-]key", "private[_-]key"]), re.IGNORECASE)
"""Hardly any text names a secret, and this says so at once."""
_QUOTED = r"""(?:b?'(?:[^'\\]|\\.)*(?:'|$)|b?"(?:[^"\\]|\\.)*(?:"|$))"""
_ASSIGNED = re.compile(rf"""(?is)(\b{_NAME}['"]?\s*(?:=|:)\s*|['"]{_NAME}['"]\s*,\s*){_QUOTED}""")
_BARE = re.compile(rf"""(?i)(\b{_NAME}=)[^\s,;&)\]}}'"<>]+""")
_FIELD = re.compile(r"(?im)(\b(?:proxy-authorization|authorization|cookie|set-cookie|x-api-key|password)['\"]?:[ \t]*)[^\s'\"][^\r\n'\"]*")
_IN_URL = re.compile(r"(\b[a-zA-Z][a-zA-Z0-9+.-]{0,30}://[^\s/:@'\"]{0,200}:)[^\s/@'\"]{1,500}(?=@)")


@lru_cache(1024)
def is_secret(name: str) -> bool:
    """True for a name that means a secret, in whatever style it is written.

    >>> [is_secret(name) for name in ("X-Api-Key", "accessToken", "DB_PASSWORD", "sessionid", "monkey", "author")]
    [True, True, True, True, False, False]
    """
    return is_surely_secret(name) or any(
        word.lower() in SECRET_WORDS or word.lower().removesuffix("s") in SECRET_WORDS for word in _WORD.findall(name)
    )


def is_surely_secret(name: str) -> bool:
    """True for a name that can mean nothing else; `key` is often a word like any other.

    >>> is_surely_secret("api_token"), is_surely_secret("key")
    (True, False)
    """
    lower = name.lower()
    return any(part in lower for part in SECRET_PARTS)


class Masker:
    """Hides secrets in texts: what stands under a secret's name, what was learned, and passwords in URLs.

    >>> masker = Masker()
    >>> masker.learn("Bearer s3same-open")
    >>> masker.text("got s3same-open; password='x'; redis://me:pw@host")
    'got ••••••; password=••••••; redis://me:••••••@host'
    """

    def __init__(self) -> None:
        self._learned: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def learn(self, value: object) -> None:
        """Hides this text from now on, and each of its parts (`Bearer x`, `a=b; c=d`), wherever they appear."""
        if isinstance(value, bytes):
            value = value[:MOST_TEXT].decode("latin-1")
        if not isinstance(value, str):
            return
        value = value[:MOST_TEXT]
        parts = re.split(r"[\s;,]+", value)
        for part in (value, *parts, *(part.partition("=")[2] for part in parts)):
            if len(part) >= LEAST_LEARNED and len(self._learned) < MOST_LEARNED:
                self._learned |= {part, repr(part)[1:-1]}
                self._pattern = None

    def text(self, text: str) -> str:
        """A text that people may see. Past `MOST_TEXT` it is cut."""
        text = _IN_URL.sub(rf"\1{MASK}", self._known(text[:MOST_TEXT]))
        if _HINT.search(text) is None:
            return text
        return _BARE.sub(rf"\1{MASK}", _FIELD.sub(rf"\1{MASK}", _ASSIGNED.sub(rf"\1{MASK}", text)))

    def source(self, line: str) -> str:
        """A line of source: what it computes is shown, literals under a secret's name are not."""
        return _IN_URL.sub(rf"\1{MASK}", _ASSIGNED.sub(rf"\1{MASK}", self._known(line[:MOST_TEXT])))

    def _known(self, text: str) -> str:
        if not self._learned:
            return text
        if self._pattern is None:
            longest_first = sorted(self._learned, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first)))
        return self._pattern.sub(MASK, text)
