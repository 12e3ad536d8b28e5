"""What stops the start of a server that is to speak TLS, and what its operator reads then."""

import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from pagi.server.options import TLSOptions, server_options
from pagi.server.process.certificates import BadCertificate, Pair, credentials_of_files, credentials_of_pair
from pagi.server.process.tls import tls_of
from tests.server.certificates import Authority, Issued

HTTP1 = ["http/1.1"]


def refusal(**options: Any) -> str:
    """Why TLS is not spoken with these options."""
    with pytest.raises(BadCertificate) as caught:
        tls_of(TLSOptions(**options), protocols=HTTP1)
    return str(caught.value)


def test_without_options_there_is_no_tls() -> None:
    assert tls_of(TLSOptions(), protocols=HTTP1) is None


def test_a_good_pair_is_served(own: Issued) -> None:
    tls = tls_of(TLSOptions(**own.options), protocols=HTTP1)
    assert tls is not None
    assert tls.credentials.certificate.serial == own.serial
    assert tls.credentials.pem.encode() == own.certfile.read_bytes()


def test_certificate_chain_and_key_may_be_one_file(own: Issued, authority: Authority, tmp_path: Path) -> None:
    path = tmp_path / "all.pem"
    path.write_bytes(own.keyfile.read_bytes() + b"a remark\n" + own.certfile.read_bytes() + authority.file.read_bytes())
    assert credentials_of_files(TLSOptions(ssl_certfile=str(path)), HTTP1).certificate.serial == own.serial


def test_a_missing_file_is_named_with_its_flag(own: Issued) -> None:
    assert refusal(ssl_certfile="/no/such.pem") == "'/no/such.pem' (--ssl-certfile) cannot be read: No such file or directory"
    assert "'/no/such.key' (--ssl-keyfile)" in refusal(ssl_certfile=str(own.certfile), ssl_keyfile="/no/such.key")
    assert "'/no/such.ca' (--ssl-ca-certs)" in refusal(**own.options, ssl_ca_certs="/no/such.ca", ssl_cert_reqs="required")
    assert "(--ssl-keyfile-password-file)" in refusal(**own.options, ssl_keyfile_password_file="/no/such.txt")


def test_an_unreadable_file_says_who_has_to_read_it(own: Issued, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", forbidden)
    assert refusal(**own.options).endswith("cannot be read: Permission denied; let the user that serves read it")


def test_a_key_of_another_certificate_is_found(own: Issued, authority: Authority) -> None:
    other = authority.issue()
    words = refusal(ssl_certfile=str(own.certfile), ssl_keyfile=str(other.keyfile))
    assert words == f"the key in {other.keyfile} is not that of the certificate in {own.certfile}; they were made by different requests"


def test_a_certificate_without_a_key_asks_for_one(own: Issued) -> None:
    assert refusal(ssl_certfile=str(own.certfile)) == f"{own.certfile} holds no private key; name its file with --ssl-keyfile"


def test_files_the_wrong_way_round_are_refused(own: Issued) -> None:
    assert "holds no private key in PEM" in refusal(ssl_certfile=str(own.keyfile), ssl_keyfile=str(own.certfile))


def test_a_key_alone_is_no_certificate(own: Issued) -> None:
    assert refusal(ssl_certfile=str(own.keyfile)).startswith(f"OpenSSL refuses {own.keyfile}")


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\x00\xff\xfe", b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_is_refused_with_its_name(content: bytes, own: Issued, tmp_path: Path) -> None:
    path = tmp_path / "odd.pem"
    path.write_bytes(content)
    assert str(path) in refusal(ssl_certfile=str(path), ssl_keyfile=str(own.keyfile))
    assert str(path) in refusal(**own.options, ssl_ca_certs=str(path), ssl_cert_reqs="optional")


def test_half_a_key_is_refused_with_its_name(own: Issued, tmp_path: Path) -> None:
    path = tmp_path / "half.key"
    path.write_bytes(own.keyfile.read_bytes()[:100])
    assert str(path) in refusal(ssl_certfile=str(own.certfile), ssl_keyfile=str(path))


# ---- passphrases


@pytest.fixture
def locked(authority: Authority) -> Issued:
    """A pair whose key is encrypted."""
    return authority.issue(passphrase=b"open sesame")


def test_an_encrypted_key_asks_for_its_passphrase_and_never_at_the_terminal(locked: Issued) -> None:
    assert refusal(**locked.options) == (
        f"the key in {locked.keyfile} is encrypted; give its passphrase in PAGI_SSL_KEYFILE_PASSWORD or with --ssl-keyfile-password-file"
    )


def test_a_wrong_passphrase_is_not_repeated(locked: Issued) -> None:
    words = refusal(**locked.options, ssl_keyfile_password="sesame street")
    assert words == f"the key in {locked.keyfile} cannot be opened with that passphrase"


def test_a_passphrase_that_no_key_can_have_is_refused(locked: Issued) -> None:
    assert f"the passphrase of {locked.keyfile} is none" in refusal(**locked.options, ssl_keyfile_password="x" * 5000)


def test_a_passphrase_opens_the_key(locked: Issued) -> None:
    options = TLSOptions(**locked.options, ssl_keyfile_password="open sesame")
    assert credentials_of_files(options, HTTP1).certificate.serial == locked.serial


@pytest.mark.parametrize("end", ["", "\n", "\r\n", "\nand more\n"])
def test_the_first_line_of_a_file_is_the_passphrase(end: str, locked: Issued, tmp_path: Path) -> None:
    path = tmp_path / "passphrase"
    path.write_bytes(f"open sesame{end}".encode())
    options = TLSOptions(**locked.options, ssl_keyfile_password_file=str(path))
    assert credentials_of_files(options, HTTP1).certificate.serial == locked.serial


def test_two_passphrases_are_one_too_many(locked: Issued, tmp_path: Path) -> None:
    path = tmp_path / "passphrase"
    path.write_text("open sesame")
    words = refusal(**locked.options, ssl_keyfile_password="open sesame", ssl_keyfile_password_file=str(path))
    assert words.startswith("the passphrase of the key is given twice")


def test_a_passphrase_is_not_shown_with_the_options(locked: Issued) -> None:
    options = server_options(**locked.options, ssl_keyfile_password="open sesame")
    assert "sesame" not in repr(options)
    assert f"ssl_certfile='{locked.certfile}'" in repr(options)


# ---- what needs what


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"ssl_keyfile": "x"}, "--ssl-keyfile is given and no certificate; name its file with --ssl-certfile"),
        ({"ssl_ca_certs": "x"}, "--ssl-ca-certs is given and no certificate; name its file with --ssl-certfile"),
        ({"ssl_cert_reqs": "required"}, "--ssl-cert-reqs required asks for TLS, and there is no --ssl-certfile"),
    ],
)
def test_options_of_tls_without_a_certificate_are_a_mistake(options: dict[str, Any], words: str) -> None:
    assert refusal(**options) == words


def test_client_certificates_need_authorities(own: Issued) -> None:
    assert refusal(**own.options, ssl_cert_reqs="optional").startswith("--ssl-cert-reqs optional needs the authorities")


def test_authorities_need_client_certificates(own: Issued, authority: Authority) -> None:
    assert "add --ssl-cert-reqs" in refusal(**own.options, ssl_ca_certs=str(authority.file))


def test_ciphers_that_openssl_does_not_know_are_refused(own: Issued) -> None:
    assert refusal(**own.options, ssl_ciphers="ROT13").startswith("OpenSSL knows no cipher of --ssl-ciphers 'ROT13'")


def test_the_default_ciphers_keep_secrets_and_are_authenticated(own: Issued) -> None:
    context = credentials_of_files(TLSOptions(**own.options), HTTP1).context
    old = [cipher for cipher in context.get_ciphers() if cipher["protocol"] != "TLSv1.3"]
    assert old
    assert all(cipher["aead"] and cipher["kea"] == "kx-ecdhe" for cipher in old)


def test_weaknesses_are_off(own: Issued) -> None:
    context = credentials_of_files(TLSOptions(**own.options), HTTP1).context
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    for option in (ssl.OP_NO_COMPRESSION, ssl.OP_NO_RENEGOTIATION, ssl.OP_CIPHER_SERVER_PREFERENCE):
        assert context.options & option


# ---- pairs in memory


def pair_of(issued: Issued) -> Pair:
    return Pair(issued.certfile.read_text(), issued.keyfile.read_text())


def as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this system is."""


def without_memfd(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS."""
    monkeypatch.delattr(os, "memfd_create", raising=False)


@pytest.mark.parametrize("system", [as_it_is, without_memfd])
def test_a_pair_in_memory_is_served_and_leaves_nothing(
    system: Callable[[pytest.MonkeyPatch], None], own: Issued, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system(monkeypatch)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = os.listdir("/dev/fd")
    credentials = credentials_of_pair(TLSOptions(), pair_of(own), HTTP1)
    assert credentials.certificate.serial == own.serial
    assert list(tmp_path.iterdir()) == []
    assert len(os.listdir("/dev/fd")) == len(before)


def test_a_key_in_memory_is_not_shown(own: Issued) -> None:
    assert "PRIVATE KEY" not in repr(pair_of(own))


def test_a_pair_in_memory_that_is_none_is_refused(own: Issued, authority: Authority) -> None:
    with pytest.raises(BadCertificate, match="is not that of the certificate"):
        credentials_of_pair(TLSOptions(), Pair(own.certfile.read_text(), authority.issue().keyfile.read_text()), HTTP1)


def test_the_certificate_is_told_as_it_is_in_the_file(own: Issued) -> None:
    pem = credentials_of_files(TLSOptions(**own.options), HTTP1).pem
    assert x509.load_pem_x509_certificate(pem.encode()) == own.certificate
