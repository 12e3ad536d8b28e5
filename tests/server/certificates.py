"""Certificates for tests: an authority, what it signs, and the files that a server or a client reads."""

import datetime
import ipaddress
import ssl
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PEM = serialization.Encoding.PEM
DAY = datetime.timedelta(days=1)

_USES = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
_SIGNS_OTHERS = x509.KeyUsage(**dict.fromkeys(_USES, False), key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False)

Attribute: TypeAlias = "x509.NameAttribute[str]"


class Issued(msgspec.Struct, frozen=True):
    """A certificate with its key, as files. The same pair may be written elsewhere, in any order and at any time."""

    certificate: x509.Certificate
    certfile: Path
    keyfile: Path

    @property
    def serial(self) -> int:
        """Its serial number, which no other has."""
        return self.certificate.serial_number

    @property
    def options(self) -> dict[str, Any]:
        """What tells a server to speak TLS with it."""
        return {"ssl_certfile": str(self.certfile), "ssl_keyfile": str(self.keyfile)}


class Authority:
    """One that signs certificates, and a folder of them."""

    def __init__(self, folder: Path, name: str = "an authority") -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._count = 0
        self.certificate = self._signed(self._name, self._key, DAY, is_authority=True)
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(self.certificate.public_bytes(PEM))

    def issue(self, *attributes: "Attribute | list[Attribute]", days: int = 1, passphrase: bytes | None = None) -> Issued:
        """A certificate for this machine. `attributes` are its subject: each stands alone, or with those of its list."""
        parts = attributes or [x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]
        subject = x509.Name([x509.RelativeDistinguishedName(part if isinstance(part, list) else [part]) for part in parts])
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._signed(subject, key, days * DAY)
        lock = serialization.BestAvailableEncryption(passphrase) if passphrase is not None else serialization.NoEncryption()
        self._count += 1
        issued = Issued(certificate, self.folder / f"{self._count}.pem", self.folder / f"{self._count}.key")
        issued.certfile.write_bytes(certificate.public_bytes(PEM))
        issued.keyfile.write_bytes(key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, lock))
        return issued

    def trusted(self, shown: Issued | None = None) -> ssl.SSLContext:
        """A client that trusts this authority alone, and shows a certificate where it has one."""
        context = ssl.create_default_context(cafile=str(self.file))
        if shown is not None:
            context.load_cert_chain(shown.certfile, shown.keyfile)
        return context

    def _signed(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, life: datetime.timedelta, *, is_authority: bool = False
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        # Python 3.13 asks clients to be strict (RFC 5280 sections 4.2.1.1 to 4.2.1.3).
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 3 * DAY)
            .not_valid_after(now + life)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if is_authority:
            builder = builder.add_extension(_SIGNS_OTHERS, critical=True)
        return builder.sign(self._key, hashes.SHA256())
