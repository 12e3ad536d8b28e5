"""What the application is told about TLS: the ASGI extension `tls` (version 0.2) of one connection."""

import ssl
from typing import Any

from pagi.server.credentials import Credentials
from pagi.server.wire.x509 import read_subject

VERSIONS = {"TLSv1.2": 0x0303, "TLSv1.3": 0x0304}
DER = 2
"""As OpenSSL's module numbers the encodings of a certificate."""


class Secured:
    """One connection's TLS, after its handshake."""

    __slots__ = ("_credentials", "_extension", "_tls")

    def __init__(self, tls: ssl.SSLObject, credentials: Credentials) -> None:
        self._tls = tls
        self._credentials = credentials
        self._extension: dict[str, Any] | None = None

    @property
    def protocol(self) -> str | None:
        """What is spoken inside, by ALPN; None where the client named nothing that we speak."""
        return self._tls.selected_alpn_protocol()

    def extension(self) -> dict[str, Any]:
        """A new `extensions["tls"]`. What it says is looked up once, when the first exchange begins."""
        if self._extension is None:
            chain = _chain(self._tls)
            cipher = self._tls.cipher()
            self._extension = {
                "server_cert": self._credentials.pem,
                "client_cert_chain": [ssl.DER_cert_to_PEM_cert(der) for der in chain],
                "client_cert_name": read_subject(chain[0]) if chain else None,
                # Whoever shows one that cannot be verified never gets this far, also where none is required.
                "client_cert_error": None,
                "tls_version": VERSIONS.get(self._tls.version() or ""),
                "cipher_suite": self._credentials.cipher_ids.get(cipher[0]) if cipher else None,
            }
        return self._extension.copy()


def _chain(tls: ssl.SSLObject) -> list[bytes]:
    """The client's certificates, its own first; empty where it showed none. A resumed session remembers the first alone."""
    own = tls.getpeercert(binary_form=True)
    if own is None:
        return []
    untyped: Any = tls
    chain: list[bytes]
    if hasattr(tls, "get_unverified_chain"):  # Python 3.13
        chain = untyped.get_unverified_chain()
    else:
        chain = [certificate.public_bytes(DER) for certificate in untyped._sslobj.get_unverified_chain() or ()]
    return [own, *(der for der in chain if der != own)]
