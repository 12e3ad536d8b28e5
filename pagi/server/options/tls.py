"""TLS: the certificate that is shown, the one that clients show, and what is spoken."""

from typing import Annotated, Literal

import msgspec

from pagi.server.options.flag import Flag, Seconds

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Forward secrecy and authenticated encryption only, as HTTP/2 demands of TLS 1.2 (RFC 9113 section 9.2.2)."""


class TLSOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The certificate, and who is let in under TLS."""

    ssl_certfile: Annotated[
        str | None,
        Flag("--ssl-certfile", help="PEM file of the certificate and, after it, its chain. With it the server speaks TLS.", unit="FILE"),
    ] = None
    ssl_keyfile: Annotated[
        str | None,
        Flag("--ssl-keyfile", help="PEM file of its key, if that is not in --ssl-certfile.", unit="FILE"),
    ] = None
    ssl_keyfile_password: Annotated[
        str | None,
        Flag("--ssl-keyfile-password", help="Passphrase of the key. All see flags in the process list: better a variable, or a file."),
    ] = None
    ssl_keyfile_password_file: Annotated[
        str | None,
        Flag("--ssl-keyfile-password-file", help="File whose first line is the passphrase of the key.", unit="FILE"),
    ] = None
    ssl_ca_certs: Annotated[
        str | None,
        Flag("--ssl-ca-certs", help="PEM file of the authorities that sign clients' certificates.", unit="FILE"),
    ] = None
    ssl_cert_reqs: Annotated[
        Literal["none", "optional", "required"],
        Flag("--ssl-cert-reqs", help="Whether clients show a certificate: never asked, asked, or refused without. A bad one is refused."),
    ] = "none"
    ssl_min_version: Annotated[Literal["1.2", "1.3"], Flag("--ssl-min-version", help="Least version of TLS that is spoken.")] = "1.2"
    ssl_ciphers: Annotated[str, Flag("--ssl-ciphers", help="Ciphers of TLS 1.2, as OpenSSL lists them. Those of TLS 1.3 are all good.")] = (
        CIPHERS
    )
    ssl_reload_seconds: Annotated[
        Seconds, Flag("--ssl-reload-interval", help="How often the files are looked at, to serve with a renewed pair. 0: only at HUP.")
    ] = 5.0
    tls_handshake_seconds: Annotated[
        Seconds, Flag("--timeout-tls-handshake", help="From the connection's opening to the end of its TLS handshake. 0: no limit.")
    ] = 10.0

    def __repr__(self) -> str:
        """As msgspec would write it, without the passphrase."""
        fields = {name: getattr(self, name) for name in self.__struct_fields__}
        if self.ssl_keyfile_password is not None:
            fields["ssl_keyfile_password"] = "..."  # noqa: S105 (this hides one)
        return f"TLSOptions({', '.join(f'{name}={value!r}' for name, value in fields.items())})"
