"""Clients of others on our HTTP/2: what they ask is answered, in the clear by prior knowledge and over TLS by ALPN."""

import re
import shutil
import ssl
import subprocess
from collections.abc import Generator
from pathlib import Path

import httpx2
import pytest

from tests.server.certificates import Authority
from tests.server.child import Child, running

APP = Path(__file__).parents[1] / "drills" / "app.py"
SECONDS = 60.0

pytestmark = pytest.mark.peer


class Target:
    """A running server, and what makes a client trust it."""

    def __init__(self, child: Child, authority: Authority | None) -> None:
        self.authority = authority
        self.base = f"{'http' if authority is None else 'https'}://localhost:{child.port}"

    @property
    def is_secure(self) -> bool:
        """It speaks TLS."""
        return self.authority is not None

    @property
    def curl(self) -> list[str]:
        """How curl asks it over HTTP/2."""
        return ["--http2-prior-knowledge"] if self.authority is None else ["--http2", "--cacert", str(self.authority.file)]

    @property
    def verify(self) -> ssl.SSLContext | bool:
        """What httpx2 trusts."""
        return True if self.authority is None else ssl.create_default_context(cafile=self.authority.file)


def needs(program: str) -> pytest.MarkDecorator:
    """Skips where a program is not installed; `make test` installs them where it may."""
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"no {program}: see .ci/packages")


@pytest.fixture(scope="module", params=["uvloop", "asyncio", "trio"])
def loop(request: pytest.FixtureRequest) -> str:
    """The server's loop."""
    return str(request.param)


@pytest.fixture(scope="module", params=["h2c", "TLS"])
def target(request: pytest.FixtureRequest, loop: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[Target]:
    """A server in a process of its own, on each loop."""
    folder = tmp_path_factory.mktemp("served")
    authority = Authority(folder) if request.param == "TLS" else None
    flags = ["--loop", loop, "--no-access-log"]
    if authority is not None:
        issued = authority.issue()
        flags += ["--ssl-certfile", str(issued.certfile), "--ssl-keyfile", str(issued.keyfile)]
    with running(folder, APP, *flags) as child:
        yield Target(child, authority)


def run(*command: str, input: bytes | None = None) -> bytes:
    """What a program prints."""
    done = subprocess.run(command, capture_output=True, timeout=SECONDS, input=input)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@needs("curl")
def test_curl_asks_and_uploads(target: Target) -> None:
    answer = run("curl", "-s", "-i", *target.curl, f"{target.base}/")
    assert answer.startswith(b"HTTP/2 200")
    large = b"x" * 3_000_000
    assert int(run("curl", "-s", *target.curl, "--data-binary", "@-", f"{target.base}/upload", input=large)) == len(large)


@needs("curl")
def test_curl_that_asks_for_an_upgrade_is_answered_over_http_1_1(target: Target) -> None:
    """RFC 9113 took the Upgrade to h2c back; a client that tries it must be served all the same."""
    if target.is_secure:
        answer = run("curl", "-s", "-i", *target.curl, "--http1.1", f"{target.base}/")
    else:
        answer = run("curl", "-s", "-i", "--http2", f"{target.base}/")
    assert answer.startswith(b"HTTP/1.1 200")


@needs("nghttp")
def test_nghttp_gets_many_answers_on_one_connection(target: Target) -> None:
    said = run("nghttp", "-v", "-n", *(f"{target.base}/{number}" for number in range(20))).decode()
    assert len(re.findall(r"recv \(stream_id=\d+\) :status: 200", said)) == 20
    assert len(re.findall(r"\] Connected", said)) == 1


def test_httpx2_shares_a_connection_between_requests(target: Target) -> None:
    with httpx2.Client(http1=False, http2=True, base_url=target.base, timeout=SECONDS, verify=target.verify) as client:
        for _ in range(30):
            answer = client.get("/")
            assert (answer.status_code, answer.http_version) == (200, "HTTP/2")
        assert int(client.post("/upload", content=b"y" * 500_000).text) == 500_000


@needs("h2load")
def test_h2load_sees_no_request_fail(target: Target) -> None:
    said = run("h2load", "-n", "10000", "-c", "50", "-m", "100", f"{target.base}/").decode()
    assert "10000 succeeded, 0 failed, 0 errored, 0 timeout" in said, said
