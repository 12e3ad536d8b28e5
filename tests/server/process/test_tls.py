"""Renewing a certificate: looked for in time, served once it is whole, and told in a line of the log."""

import os
from pathlib import Path

import pytest

from pagi.server.options import TLSOptions
from pagi.server.process.certificates import Pair
from pagi.server.process.tls import TLS, described
from tests.server.certificates import Authority, Issued
from tests.server.conftest import Lines


class Served:
    """A pair of files that is served, and whoever writes to them."""

    def __init__(self, folder: Path, issued: Issued) -> None:
        self.certfile, self.keyfile = folder / "served.pem", folder / "served.key"
        self.write(issued)
        self.options = TLSOptions(ssl_certfile=str(self.certfile), ssl_keyfile=str(self.keyfile), ssl_reload_seconds=5)
        self.tls = TLS(self.options, protocols=["http/1.1"])
        self.now = 0.0
        self.tls.look(self.now)

    def write(self, issued: Issued, *, certificate: bool = True, key: bool = True) -> None:
        """Writes a pair over the last, or one half of it."""
        if certificate:
            self.certfile.write_bytes(issued.certfile.read_bytes())
        if key:
            self.keyfile.write_bytes(issued.keyfile.read_bytes())

    def later(self, seconds: float = 5.0) -> None:
        """Time passes, and the sweep comes by."""
        self.now += seconds
        self.tls.look(self.now)

    @property
    def serial(self) -> int:
        """What new connections see."""
        return self.tls.credentials.certificate.serial


@pytest.fixture
def first(authority: Authority) -> Issued:
    return authority.issue()


@pytest.fixture
def second(authority: Authority) -> Issued:
    return authority.issue()


@pytest.fixture
def served(tmp_path: Path, first: Issued) -> Served:
    """A server that serves the first pair."""
    return Served(tmp_path, first)


def test_a_renewed_pair_is_served_at_the_next_look(served: Served, second: Issued, log: Lines) -> None:
    before = served.tls.credentials.context
    served.write(second)
    served.later(4.9)
    assert served.tls.credentials.context is before
    served.later(0.1)
    assert served.serial == second.serial
    assert served.tls.credentials.context is not before
    assert log.server == [f"the certificate was renewed: {described(served.tls.credentials.certificate)}"]


def test_files_that_stay_as_they_are_are_not_read_again(served: Served, log: Lines) -> None:
    before = served.tls.credentials
    for _ in range(10):
        served.later()
    assert served.tls.credentials is before
    assert log.server == []


def test_half_a_pair_is_told_once_and_the_old_one_stays(served: Served, first: Issued, second: Issued, log: Lines) -> None:
    served.write(second, key=False)
    for _ in range(5):
        served.later()
    assert served.serial == first.serial
    assert len(log.server) == 1
    assert "is served on: the key in" in log.server[0]
    assert log.records[-1].levelname == "WARNING"
    served.write(second, certificate=False)
    served.later()
    assert served.serial == second.serial
    assert len(log.server) == 2


def test_the_key_may_come_first(served: Served, first: Issued, second: Issued) -> None:
    served.write(second, certificate=False)
    served.later()
    assert served.serial == first.serial
    served.write(second, key=False)
    served.later()
    assert served.serial == second.serial


@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN CERT"])
def test_a_file_that_is_away_or_half_written_changes_nothing(content: bytes | None, served: Served, first: Issued, log: Lines) -> None:
    served.certfile.unlink()
    if content is not None:
        served.certfile.write_bytes(content)
    served.later()
    served.later()
    assert served.serial == first.serial
    assert len(log.server) == 1
    served.write(first)
    served.later()
    assert "was renewed" in log.server[-1]


def test_a_link_that_leads_elsewhere_is_a_change(tmp_path: Path, first: Issued, second: Issued) -> None:
    folder = tmp_path / "current"
    for name, issued in (("one", first), ("two", second)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "served.pem").write_bytes(issued.certfile.read_bytes())
        (tmp_path / name / "served.key").write_bytes(issued.keyfile.read_bytes())
    folder.symlink_to("one")
    options = TLSOptions(ssl_certfile=str(folder / "served.pem"), ssl_keyfile=str(folder / "served.key"))
    tls = TLS(options, protocols=[])
    (tmp_path / "next").symlink_to("two")
    os.replace(tmp_path / "next", folder)  # as a secret is renewed in a cluster
    tls.look(10)
    assert tls.credentials.certificate.serial == second.serial


def test_files_that_change_while_they_are_read_are_read_again(
    served: Served, first: Issued, second: Issued, log: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = served.tls._load  # pyright: ignore[reportPrivateUsage]

    def slow() -> object:
        loaded = load()
        served.write(second)
        return loaded

    served.keyfile.write_bytes(first.keyfile.read_bytes() + b"\n")
    monkeypatch.setattr(served.tls, "_load", slow)
    served.later()
    assert served.serial == first.serial
    assert "changed while they were read" in log.server[0]
    monkeypatch.undo()
    served.later()
    assert served.serial == second.serial


def test_new_authorities_are_a_change(tmp_path: Path, first: Issued, authority: Authority) -> None:
    authorities = tmp_path / "authorities.pem"
    authorities.write_bytes(authority.file.read_bytes())
    options = TLSOptions(**first.options, ssl_ca_certs=str(authorities), ssl_cert_reqs="required")
    tls = TLS(options, protocols=[])
    authorities.write_bytes(authority.file.read_bytes() + Authority(tmp_path, "another").file.read_bytes())
    tls.look(10)
    assert len(tls.credentials.context.get_ca_certs()) == 2


def test_nobody_looks_where_the_interval_is_0_but_a_reload_reads(tmp_path: Path, first: Issued, second: Issued) -> None:
    served = Served(tmp_path, first)
    tls = TLS(TLSOptions(ssl_certfile=str(served.certfile), ssl_keyfile=str(served.keyfile), ssl_reload_seconds=0), protocols=[])
    served.write(second)
    tls.look(1000)
    assert tls.credentials.certificate.serial == first.serial
    assert tls.reload()
    assert tls.credentials.certificate.serial == second.serial


def test_a_reload_that_fails_says_so(served: Served, first: Issued, second: Issued) -> None:
    served.write(second, key=False)
    assert not served.tls.reload()
    assert served.serial == first.serial


def test_a_pair_in_memory_is_never_renewed(first: Issued, log: Lines) -> None:
    tls = TLS(TLSOptions(), Pair(first.certfile.read_text(), first.keyfile.read_text()), protocols=[])
    before = tls.credentials
    tls.look(1000)
    assert tls.reload()
    assert tls.credentials is before
    assert log.server == []


def test_an_expired_certificate_is_served_with_a_warning(authority: Authority, log: Lines) -> None:
    TLS(TLSOptions(**authority.issue(days=-1).options), protocols=[])
    assert len(log.server) == 1
    assert log.server[0].startswith("clients will refuse the certificate, it has expired: serial ")
