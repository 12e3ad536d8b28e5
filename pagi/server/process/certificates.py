"""Reads a certificate and its key into the context of a TLS server, and says what is wrong with files that are none."""

import os
import re
import ssl
import tempfile
from collections.abc import Callable, Generator
from contextlib import contextmanager

import msgspec

from pagi.http.errors import ConfigError
from pagi.server.credentials import Credentials
from pagi.server.options import TLSOptions
from pagi.server.wire.x509 import read_certificate

FIRST_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
KEY = re.compile(r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----")
VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
REQUESTS = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}


class BadCertificate(ConfigError):
    """TLS cannot be spoken with what was given. The message says which file, why, and what may help."""


class Pair(msgspec.Struct, frozen=True):
    """A certificate and its key in memory, both as PEM."""

    certificate: str
    key: str

    def __repr__(self) -> str:
        return f"Pair({self.certificate!r}, key=...)"


def credentials_of_files(options: TLSOptions, protocols: list[str]) -> Credentials:
    """What the files of `options` hold. `protocols` are offered by ALPN, the best first.

    Raises:
        BadCertificate: a file is missing, unreadable or none, key and certificate are no pair, the passphrase is missing or wrong.
    """
    certfile, keyfile = options.ssl_certfile, options.ssl_keyfile
    if certfile is None:
        raise BadCertificate("there is no certificate; name its file with --ssl-certfile")
    pem = _read(certfile, "--ssl-certfile")
    if not KEY.search(pem if keyfile is None else _read(keyfile, "--ssl-keyfile")):
        raise BadCertificate(
            f"{certfile} holds no private key; name its file with --ssl-keyfile"
            if keyfile is None
            else f"{keyfile} holds no private key in PEM (-----BEGIN PRIVATE KEY-----)"
        )
    context = _context(options, protocols)
    _load(context, certfile, keyfile, _passphrase(options))
    return _credentials(context, pem, certfile)


def credentials_of_pair(options: TLSOptions, pair: Pair, protocols: list[str]) -> Credentials:
    """The pair itself, with all else as `options` say. The key is not written to any disk, where the system can do without.

    Raises:
        BadCertificate: it is no pair.
    """
    context = _context(options, protocols)
    with _as_file(f"{pair.certificate}\n{pair.key}\n") as path:
        _load(context, path, None, None)
    return _credentials(context, pair.certificate, "the certificate")


def _context(options: TLSOptions, protocols: list[str]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.minimum_version = VERSIONS[options.ssl_min_version]
    context.set_alpn_protocols(protocols)
    try:
        context.set_ciphers(options.ssl_ciphers)
    except ssl.SSLError as error:
        raise BadCertificate(f"OpenSSL knows no cipher of --ssl-ciphers {options.ssl_ciphers!r}; `openssl ciphers` lists them") from error
    context.verify_mode = REQUESTS[options.ssl_cert_reqs]
    if options.ssl_ca_certs is not None:
        _read(options.ssl_ca_certs, "--ssl-ca-certs")
        try:
            context.load_verify_locations(options.ssl_ca_certs)
        except ssl.SSLError as error:
            raise BadCertificate(f"{options.ssl_ca_certs} holds no certificates in PEM (--ssl-ca-certs): {_words(error)}") from error
    return context


def _load(context: ssl.SSLContext, certfile: str, keyfile: str | None, passphrase: str | None) -> None:
    was_asked = False

    def password() -> str:
        # Without this OpenSSL would ask at the terminal, if there is one, and wait.
        nonlocal was_asked
        was_asked = True
        if passphrase is None:
            raise BadCertificate(
                f"the key in {keyfile or certfile} is encrypted; give its passphrase in PAGI_SSL_KEYFILE_PASSWORD"
                " or with --ssl-keyfile-password-file"
            )
        return passphrase

    try:
        context.load_cert_chain(certfile, keyfile, password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise BadCertificate(
                f"the key in {keyfile or certfile} is not that of the certificate in {certfile}; they were made by different requests"
            ) from error
        if was_asked:
            raise BadCertificate(f"the key in {keyfile or certfile} cannot be opened with that passphrase") from error
        raise BadCertificate(f"OpenSSL refuses {' and '.join(filter(None, (certfile, keyfile)))}: {_words(error)}") from error
    except ValueError as error:
        raise BadCertificate(f"the passphrase of {keyfile or certfile} is none: {error}") from error
    except OSError as error:
        raise BadCertificate(f"{certfile} cannot be read: {error.strerror}") from error


def _credentials(context: ssl.SSLContext, pem: str, source: str) -> Credentials:
    found = FIRST_CERTIFICATE.search(pem)
    if found is None:
        raise BadCertificate(f"{source} holds no certificate in PEM (-----BEGIN CERTIFICATE-----)")
    der = ssl.PEM_cert_to_DER_cert(found[0])
    return Credentials(context, ssl.DER_cert_to_PEM_cert(der), read_certificate(der))


def _passphrase(options: TLSOptions) -> str | None:
    if options.ssl_keyfile_password_file is None:
        return options.ssl_keyfile_password
    if options.ssl_keyfile_password is not None:
        raise BadCertificate("the passphrase of the key is given twice; leave --ssl-keyfile-password or --ssl-keyfile-password-file out")
    return _read(options.ssl_keyfile_password_file, "--ssl-keyfile-password-file").split("\n", 1)[0].removesuffix("\r")


def _read(path: str, flag: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError as error:
        remedy = "; let the user that serves read it" if isinstance(error, PermissionError) else ""
        raise BadCertificate(f"{path!r} ({flag}) cannot be read: {error.strerror}{remedy}") from error


def _words(error: ssl.SSLError) -> str:
    return (error.reason or str(error)).replace("_", " ").lower()


@contextmanager
def _as_file(text: str) -> Generator[str]:
    """A path under which OpenSSL finds `text`, while entered. In memory on Linux; elsewhere in a file that only we may read."""
    memory: Callable[[str], int] | None = getattr(os, "memfd_create", None)
    if memory is not None:
        descriptor = memory("pagi-tls")
        path = f"/proc/self/fd/{descriptor}"
    else:
        descriptor, path = tempfile.mkstemp(prefix="pagi-tls-")
    try:
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            yield path
    finally:
        if memory is None:
            os.unlink(path)
