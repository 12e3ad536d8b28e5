"""Clients of others on our HTTP/2: what they ask is answered, in the clear by prior knowledge."""

import re
import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path

import httpx2
import pytest

from tests.server.child import Child, running

APP = Path(__file__).parents[1] / "drills" / "app.py"
SECONDS = 60.0

pytestmark = pytest.mark.peer


def needs(program: str) -> pytest.MarkDecorator:
    """Skips where a program is not installed; `make test` installs them where it may."""
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"no {program}: see .ci/packages")


@pytest.fixture(scope="module", params=["uvloop", "asyncio", "trio"])
def child(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[Child]:
    """A server in a process of its own, on each loop."""
    with running(tmp_path_factory.mktemp("served"), APP, "--loop", request.param, "--no-access-log") as served:
        yield served


def run(*command: str, input: bytes | None = None) -> bytes:
    """What a program prints."""
    done = subprocess.run(command, capture_output=True, timeout=SECONDS, input=input)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@needs("curl")
def test_curl_asks_by_prior_knowledge(child: Child) -> None:
    base = f"http://127.0.0.1:{child.port}"
    answer = run("curl", "-s", "-i", "--http2-prior-knowledge", f"{base}/")
    assert answer.startswith(b"HTTP/2 200")
    large = b"x" * 3_000_000
    assert int(run("curl", "-s", "--http2-prior-knowledge", "--data-binary", "@-", f"{base}/upload", input=large).split()[0]) == len(large)


@needs("curl")
def test_curl_that_asks_for_an_upgrade_is_answered_over_http_1_1(child: Child) -> None:
    """RFC 9113 took the Upgrade to h2c back; a client that tries it must be served all the same."""
    answer = run("curl", "-s", "-i", "--http2", f"http://127.0.0.1:{child.port}/")
    assert answer.startswith(b"HTTP/1.1 200")


@needs("nghttp")
def test_nghttp_gets_many_answers_on_one_connection(child: Child) -> None:
    base = f"http://127.0.0.1:{child.port}"
    said = run("nghttp", "-v", "-n", *(f"{base}/{number}" for number in range(20))).decode()
    assert len(re.findall(r"recv \(stream_id=\d+\) :status: 200", said)) == 20
    assert len(re.findall(r"\] Connected", said)) == 1


def test_httpx2_shares_a_connection_between_requests(child: Child) -> None:
    with httpx2.Client(http1=False, http2=True, base_url=f"http://127.0.0.1:{child.port}", timeout=SECONDS) as client:
        for _ in range(30):
            answer = client.get("/")
            assert (answer.status_code, answer.http_version) == (200, "HTTP/2")
        assert int(client.post("/upload", content=b"y" * 500_000).text.split()[0]) == 500_000


@needs("h2load")
def test_h2load_sees_no_request_fail(child: Child) -> None:
    said = run("h2load", "-n", "10000", "-c", "50", "-m", "100", f"http://127.0.0.1:{child.port}/").decode()
    assert "10000 succeeded, 0 failed, 0 errored, 0 timeout" in said, said
