"""The certificate that a process serves with, and its renewal: a new pair is served once it is whole, and until then the old one."""

import datetime
import logging
import os

from pagi.http.errors import ConfigError
from pagi.server.credentials import Credentials
from pagi.server.options import TLSOptions
from pagi.server.process.certificates import BadCertificate, Pair, credentials_of_files, credentials_of_pair
from pagi.server.wire.x509 import Certificate

log = logging.getLogger("pagi.server")


class TLS:
    """Keeps the credentials of one process. Made before anything listens, so that a wrong file stops the start.

    Args:
        pair: served instead of what the files of `options` hold.
        protocols: offered by ALPN, the best first.

    Raises:
        BadCertificate: see `credentials_of_files`.
    """

    def __init__(self, options: TLSOptions, pair: Pair | None = None, *, protocols: list[str]) -> None:
        self._options = options
        self._pair = pair
        self._protocols = protocols
        self._next_look = 0.0
        self._seen = self._state()
        self.credentials = self._load()
        """What new connections get."""
        _warn_of(self.credentials.certificate)

    def look(self, now: float) -> None:
        """Renews the credentials if the files have changed. Does nothing until the next look is due."""
        if now >= self._next_look and self._options.ssl_reload_seconds:
            self._next_look = now + self._options.ssl_reload_seconds
            if self._state() != self._seen:
                self.reload()

    def reload(self) -> bool:
        """Reads the files anew. What is wrong with them is logged, once for each change, and the old credentials stay.

        Returns whether the credentials are those of the files now.
        """
        if self._pair is not None:
            return True
        self._seen = state = self._state()
        try:
            renewed = self._load()
            if self._state() != state:
                raise BadCertificate("the files changed while they were read")  # they will be read again
        except (ConfigError, ValueError) as error:
            log.warning("the certificate is not renewed, %s is served on: %s", described(self.credentials.certificate), error)
            return False
        self.credentials = renewed
        log.info("the certificate was renewed: %s", described(renewed.certificate))
        _warn_of(renewed.certificate)
        return True

    def _load(self) -> Credentials:
        if self._pair is not None:
            return credentials_of_pair(self._options, self._pair, self._protocols)
        return credentials_of_files(self._options, self._protocols)

    def _state(self) -> tuple[tuple[int, ...] | None, ...]:
        """What changes whenever a file that matters is written or replaced."""
        options = self._options
        paths = (options.ssl_certfile, options.ssl_keyfile, options.ssl_keyfile_password_file, options.ssl_ca_certs)
        return tuple(_state_of(path) for path in paths if path is not None)


def tls_of(options: TLSOptions, pair: Pair | None = None, *, protocols: list[str]) -> TLS | None:
    """What TLS is spoken with; None where none is asked for.

    Raises:
        BadCertificate: see `TLS`; or options of TLS are there and no certificate, or some without others that they need.
    """
    if options.ssl_certfile is None and pair is None:
        for value, flag in ((options.ssl_keyfile, "--ssl-keyfile"), (options.ssl_ca_certs, "--ssl-ca-certs")):
            if value is not None:
                raise BadCertificate(f"{flag} is given and no certificate; name its file with --ssl-certfile")
        if options.ssl_cert_reqs != "none":
            raise BadCertificate(f"--ssl-cert-reqs {options.ssl_cert_reqs} asks for TLS, and there is no --ssl-certfile")
        return None
    if options.ssl_cert_reqs != "none" and options.ssl_ca_certs is None:
        raise BadCertificate(
            f"--ssl-cert-reqs {options.ssl_cert_reqs} needs the authorities that sign clients' certificates;"
            " name their file with --ssl-ca-certs"
        )
    if options.ssl_ca_certs is not None and options.ssl_cert_reqs == "none":
        raise BadCertificate(
            "--ssl-ca-certs is given, but clients are not asked for a certificate; add --ssl-cert-reqs optional or required"
        )
    return TLS(options, pair, protocols=protocols)


def described(certificate: Certificate) -> str:
    """A certificate in a log line."""
    return (
        f"serial {certificate.serial_text}, {certificate.subject or 'no subject'}, valid until {certificate.not_after:%Y-%m-%d %H:%M} UTC"
    )


def _warn_of(certificate: Certificate) -> None:
    now = datetime.datetime.now(datetime.UTC)
    if now > certificate.not_after:
        log.warning("clients will refuse the certificate, it has expired: %s", described(certificate))
    elif now < certificate.not_before:
        log.warning(
            "clients will refuse the certificate until %s UTC: %s", f"{certificate.not_before:%Y-%m-%d %H:%M}", described(certificate)
        )


def _state_of(path: str) -> tuple[int, ...] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
