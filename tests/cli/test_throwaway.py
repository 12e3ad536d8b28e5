"""The certificate of `pagi dev --tls-dev`: whom it is for, for how long, and that nothing of it is left."""

import datetime
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from pagi.cli import main
from pagi.cli.throwaway import DAYS, throwaway
from pagi.http.errors import ConfigError
from tests.cli.developing import developing, until

APP = """
from pagi import App, HTTPContext

app = App()

@app.get("/")
async def hello(ctx: HTTPContext) -> str:
    return "{word} over " + ctx.scheme
"""


def names(host: str) -> list[str]:
    """Whom a certificate is for."""
    certificate = x509.load_pem_x509_certificate(throwaway(host).pair.certificate.encode())
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [*found.get_values_for_type(x509.DNSName), *map(str, found.get_values_for_type(x509.IPAddress))]


@pytest.mark.parametrize(
    ("host", "more"),
    [("127.0.0.1", []), ("localhost", []), ("0.0.0.0", []), ("::", []), ("", []), ("::1", []), ("192.168.1.5", ["192.168.1.5"])],
)
def test_it_is_for_this_machine_and_for_the_host_that_is_served(host: str, more: list[str]) -> None:
    assert names(host) == ["localhost", "127.0.0.1", "::1", *more]


def test_a_name_of_the_network_is_one_of_its_names() -> None:
    assert names("laptop.local") == ["localhost", "laptop.local", "127.0.0.1", "::1"]


def test_it_signs_itself_and_lasts_for_days() -> None:
    own = throwaway("127.0.0.1")
    certificate = x509.load_pem_x509_certificate(own.pair.certificate.encode())
    certificate.verify_directly_issued_by(certificate)
    now = datetime.datetime.now(datetime.UTC)
    assert certificate.not_valid_before_utc < now - datetime.timedelta(minutes=50)
    assert abs(certificate.not_valid_after_utc - now - datetime.timedelta(days=DAYS)) < datetime.timedelta(minutes=1)
    assert own.fingerprint == certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def test_no_two_runs_share_one() -> None:
    assert throwaway("127.0.0.1").pair.key != throwaway("127.0.0.1").pair.key


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(ConfigError, match=r"pip install 'pagi-web\[tls-dev\]'"):
        throwaway("127.0.0.1")


def test_a_certificate_of_files_beside_it_is_a_contradiction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "main.py").write_text(APP.format(word="one"))
    result = CliRunner().invoke(main, ["dev", "main.py", "--tls-dev", "--ssl-certfile", "x.pem"])
    assert result.exit_code == 2
    assert "leave out --ssl-certfile" in result.stderr


def test_only_dev_makes_one() -> None:
    assert CliRunner().invoke(main, ["run", "main:app", "--tls-dev"]).exit_code == 2


@pytest.mark.parametrize("reload", ["--reload", "--no-reload"])
def test_dev_serves_https_with_the_certificate_it_names_through_reloads(reload: str, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "main.py").write_text(APP.format(word="one"))
    with developing(folder, "main.py", "--tls-dev", reload) as dev:

        def shown() -> str:
            return ssl.get_server_certificate(("127.0.0.1", port))

        def answer() -> str:
            trusting = ssl.create_default_context(cadata=pem)
            with (
                socket.create_connection(("127.0.0.1", port), timeout=10) as raw,
                trusting.wrap_socket(raw, server_hostname="localhost") as client,
            ):
                client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                data = b""
                while more := client.recv(65536):
                    data += more
                return data.partition(b"\r\n\r\n")[2].decode()

        port = int(dev.output.split("https://127.0.0.1:")[1].split()[0])
        pem = shown()
        der = ssl.PEM_cert_to_DER_cert(pem)
        fingerprint = x509.load_der_x509_certificate(der).fingerprint(hashes.SHA256()).hex(":").upper()
        assert f"SHA-256 {fingerprint}" in dev.output
        assert answer() == "one over https"
        if reload == "--reload":
            dev.write("main.py", APP.format(word="two"))
            until(lambda: answer() == "two over https", "the new code")
            assert shown() == pem
        assert [path.name for path in folder.rglob("*") if path.suffix in (".pem", ".key")] == []
        command = subprocess.run(["ps", "-eo", "args"], capture_output=True, check=True, text=True).stdout
        assert "PRIVATE KEY" not in command + dev.output
        assert dev.end() == 0
