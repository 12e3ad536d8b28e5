"""What a TLS server shows: a certificate with its key, made into a context. One for all connections, until it is renewed."""

import ssl
from typing import Protocol

from pagi.server.wire.x509 import Certificate

CIPHER_ID = 0xFFFF
"""OpenSSL's ids of ciphers carry the protocol's family above the 16 bits that IANA knows."""


class Credentials:
    """One certificate that is served. Connections keep those they began with."""

    __slots__ = ("certificate", "cipher_ids", "context", "pem")

    def __init__(self, context: ssl.SSLContext, pem: str, certificate: Certificate) -> None:
        self.context = context
        self.pem = pem
        self.certificate = certificate
        self.cipher_ids = {str(cipher["name"]): int(cipher["id"]) & CIPHER_ID for cipher in context.get_ciphers()}
        """The numbers that TLS has for its ciphers, by OpenSSL's names."""


class Keeper(Protocol):
    """Who has the credentials that new connections get."""

    @property
    def credentials(self) -> Credentials: ...

    def look(self, now: float) -> None:
        """Renews them if they changed, and if it is time to look."""
        ...
