"""Files that a run needs, made in a temporary folder for as long as it lasts: two to serve, and a certificate."""

import datetime
import ipaddress
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from benchmarks.answers import FILE_BYTES, large_file_part
from benchmarks.apps.payloads import FILE_VARIABLE, LARGE_FILE_MIB, LARGE_FILE_VARIABLE
from benchmarks.service import KeyPair

VALID = datetime.timedelta(days=2)


class Props(msgspec.Struct, frozen=True):
    """What the servers of a run are given. `environment` tells applications where their files are."""

    environment: dict[str, str]
    key_pair: KeyPair


def make_key_pair(folder: Path) -> KeyPair:
    """A certificate for 127.0.0.1 on P-256, signed by itself: the kind that nearly every site has today."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - VALID, now + VALID)
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    pair = KeyPair(folder / "certificate.pem", folder / "key.pem")
    pair.certificate.write_bytes(builder.sign(key, SHA256()).public_bytes(Encoding.PEM))
    # granian reads no other form of key.
    pair.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return pair


@contextmanager
def run_props() -> Generator[Props]:
    """Makes them all; they are gone when the run is."""
    with TemporaryDirectory(prefix="pagi-bench-") as name:
        folder = Path(name)
        small, large = folder / "megabyte.bin", folder / "large.bin"
        small.write_bytes(FILE_BYTES)
        with large.open("wb") as opened:
            for number in range(LARGE_FILE_MIB):
                opened.write(large_file_part(number))
        yield Props({FILE_VARIABLE: str(small), LARGE_FILE_VARIABLE: str(large)}, make_key_pair(folder))
