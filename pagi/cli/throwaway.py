"""The certificate of `pagi dev --tls-dev`: made at the start, known to nobody else, and gone with the process that holds its key."""

import datetime
import ipaddress
from typing import TYPE_CHECKING

import msgspec

from pagi.http.errors import ConfigError
from pagi.server.process.certificates import Pair

if TYPE_CHECKING:
    from cryptography import x509

DAYS = 30
NAMES = ("localhost", "127.0.0.1", "::1")


class Throwaway(msgspec.Struct, frozen=True):
    """A pair, and what a developer compares with the browser's words."""

    pair: Pair
    fingerprint: str
    """SHA-256 of the certificate, in hexadecimal with colons."""
    not_after: datetime.datetime


def throwaway(host: str) -> Throwaway:
    """A certificate that signs itself, for this machine's own names and for `host`.

    Raises:
        ConfigError: the package that makes certificates is not installed.
    """
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
    except ModuleNotFoundError as error:
        raise ConfigError("--tls-dev needs the package cryptography; install the extra: pip install 'pagi-web[tls-dev]'") from error
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "pagi dev")])
    now = datetime.datetime.now(datetime.UTC)
    not_after = now + datetime.timedelta(days=DAYS)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))  # clocks of virtual machines and phones are late
        .not_valid_after(not_after)
        .add_extension(
            x509.SubjectAlternativeName([_name(name) for name in dict.fromkeys((*NAMES, host)) if _is_name(name)]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pair = Pair(certificate.public_bytes(pem).decode(), secret.decode())
    return Throwaway(pair, certificate.fingerprint(hashes.SHA256()).hex(":").upper(), not_after)


def _is_name(host: str) -> bool:
    """A name that clients can ask for, and not the sign for all addresses."""
    return bool(host) and host.isascii() and host not in ("0.0.0.0", "::")  # noqa: S104 (nothing is bound here)


def _name(host: str) -> "x509.GeneralName":
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
