"""A hundred thousand requests over HTTP/2, on fifty connections of a hundred streams: not one may fail."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.server.certificates import Authority
from tests.server.child import running

APP = Path(__file__).with_name("app.py")
REQUESTS, CONNECTIONS, STREAMS = 100_000, 50, 100
SECONDS = 300.0

pytestmark = [
    pytest.mark.drill,
    pytest.mark.peer,
    pytest.mark.skipif(shutil.which("h2load") is None, reason="no h2load: see .ci/packages"),
]


@pytest.mark.parametrize("loop", ["uvloop", "asyncio", "trio"])
@pytest.mark.parametrize("kind", ["h2c", "TLS"])
def test_no_request_fails(loop: str, kind: str, scale: float, tmp_path: Path) -> None:
    requests = int(REQUESTS * scale)
    flags = ["--loop", loop, "--no-access-log"]
    if kind == "TLS":
        issued = Authority(tmp_path).issue()
        flags += ["--ssl-certfile", str(issued.certfile), "--ssl-keyfile", str(issued.keyfile)]
    with running(tmp_path, APP, *flags) as child:
        url = f"{'https' if kind == 'TLS' else 'http'}://localhost:{child.port}/"
        command = ["h2load", "-n", str(requests), "-c", str(CONNECTIONS), "-m", str(STREAMS), url]
        said = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS).stdout
    finished = re.search(r"finished in .*", said)
    print(f"{kind} on {loop}: {requests} requests, {finished[0] if finished else said}")
    assert f"{requests} succeeded, 0 failed, 0 errored, 0 timeout" in said, said
