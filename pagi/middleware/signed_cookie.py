"""A cookie that only we can have written: signed, dated, and set and removed with the same attributes."""

import base64
import hashlib
import logging
import re
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec
from itsdangerous import BadData, TimestampSigner, want_bytes

from pagi.http.cookies import MAX_COOKIE_BYTES, InvalidCookie, SameSite, cookie_pairs, delete_cookie, set_cookie
from pagi.http.errors import AppError, ConfigError

log = logging.getLogger("pagi.middleware")

Secure = bool | Literal["auto"]

# Payload, time and signature, in base64 without padding. The 32 bytes of a signature leave two bits of its last letter unused,
# and Python's decoder skips what it does not know: only the one spelling that we write is taken.
_FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{1,11}\.[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]", re.ASCII)

_SKEW_SECONDS = 60
"""How far the clocks of machines that share a secret may be apart: a cookie may seem to come from that far ahead."""


MAX_BYTES = 4093
"""Name, value and attributes together. Chromium and Firefox count name and value (4,096), Safari all of it."""


class CookieTooLarge(AppError):
    """Browsers would drop the cookie without a word."""

    def __init__(self, name: str, size: int) -> None:
        super().__init__(f"cookie {name!r} would be {size:,} bytes, and browsers keep at most {MAX_BYTES:,}")
        self.size = size


class Opened(msgspec.Struct, frozen=True):
    """What a cookie said, once it was known to be ours."""

    payload: str
    age_seconds: float
    """Since it was signed; never below 0."""


class _Signer(TimestampSigner):
    """A signer with a clock of its own. Of several keys the last one signs."""

    def __init__(self, secrets: Sequence[str], salt: str, clock: Callable[[], float]) -> None:
        super().__init__(list(reversed(secrets)), salt=salt, key_derivation="hmac", digest_method=hashlib.sha256)
        self.clock = clock
        self._keys = {secret: super(_Signer, self).derive_key(secret) for secret in self.secret_keys}

    def derive_key(self, secret_key: str | bytes | None = None) -> bytes:
        # Derived once: it is the same for every cookie.
        return self._keys[self.secret_keys[-1] if secret_key is None else want_bytes(secret_key)]

    def get_timestamp(self) -> int:
        return int(self.clock())


class SignedCookie:
    """One cookie of an application. `purpose` keeps apart what is signed with one secret for different ends.

    `secure="auto"` marks it Secure where the request came over TLS.

    Raises:
        ConfigError: name and attributes contradict each other, or browsers would refuse them.
    """

    def __init__(
        self,
        name: str,
        *,
        secrets: Sequence[str],
        purpose: str,
        path: str,
        domain: str | None,
        secure: Secure,
        samesite: SameSite | None,
        httponly: bool,
        clock: Callable[[], float],
    ) -> None:
        self.name = name
        self._path = path
        self._domain = domain
        self._secure = secure
        self._samesite: SameSite | None = samesite
        self._httponly = httponly
        self._clock = clock
        self._signer = _Signer(secrets, f"pagi.{purpose}.{name}", clock)
        try:
            # "auto" is not always Secure, and so never enough for what needs it always.
            self.removal("" if secure is True else "http")
        except InvalidCookie as error:
            raise ConfigError(str(error)) from error

    def is_in(self, header: str) -> bool:
        """Something came under this name, whatever it is worth."""
        return any(name == self.name for name, _ in cookie_pairs(header))

    def find(self, header: str) -> str | None:
        """The value that came under this name; None where there is none, or where there are two that differ.

        Which of two was ours cannot be told: a neighbouring host may have planted the other one.
        """
        values = {value for name, value in cookie_pairs(header) if name == self.name}
        if len(values) > 1:
            log.debug("cookie %s came with %d different values: none is taken", self.name, len(values))
        return values.pop() if len(values) == 1 else None

    def open(self, value: str) -> Opened | None:
        """What a value says, if it is one that we wrote; nothing in it is looked at before that is known."""
        if len(value) > MAX_COOKIE_BYTES or not _FORM.fullmatch(value):
            log.debug("cookie %s does not have the form of ours (%d characters)", self.name, len(value))
            return None
        try:
            payload, signed = self._signer.unsign(value, return_timestamp=True)
        except (BadData, ValueError, OverflowError, OSError) as error:  # the latter: a time that no calendar has
            log.debug("cookie %s is refused: %s", self.name, type(error).__name__)
            return None
        age = self._clock() - signed.timestamp()
        if age < -_SKEW_SECONDS:
            log.debug("cookie %s was signed %.0f s ahead of this machine's clock", self.name, -age)
            return None
        return Opened(payload.decode("ascii"), max(age, 0.0))

    def issue(self, payload: str, *, max_age: int, scheme: str) -> str:
        """Value of the Set-Cookie field. `payload` is base64 without padding.

        Raises:
            CookieTooLarge: browsers would not keep it.
        """
        value = self._signer.sign(payload).decode("ascii")
        bare = set_cookie(
            self.name,
            "",
            max_age=max_age,
            path=self._path,
            domain=self._domain,
            secure=self._is_secure(scheme),
            httponly=self._httponly,
            samesite=self._samesite,
        ).decode("ascii")
        size = len(bare) + len(value)
        if size > MAX_BYTES:
            raise CookieTooLarge(self.name, size)
        return bare.replace("=", f"={value}", 1)

    def removal(self, scheme: str) -> str:
        """Value of the Set-Cookie field that removes it."""
        return delete_cookie(
            self.name,
            path=self._path,
            domain=self._domain,
            secure=self._is_secure(scheme),
            httponly=self._httponly,
            samesite=self._samesite,
        ).decode("ascii")

    def _is_secure(self, scheme: str) -> bool:
        return self._secure if isinstance(self._secure, bool) else scheme in ("https", "wss")


def encode_payload(data: bytes) -> str:
    """Bytes as the text that a payload is: base64 for URLs, without padding.

    >>> encode_payload(b"[{}]")
    'W3t9XQ'
    """
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode_payload(payload: str) -> bytes:
    """The bytes of a payload.

    Raises:
        ValueError: it is not base64.
    """
    return base64.b64decode(payload + "=" * (-len(payload) % 4), altchars=b"-_", validate=True)
