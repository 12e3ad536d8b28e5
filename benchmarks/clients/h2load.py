"""Load on HTTP/2 by h2load: one thread in C, streams side by side on few connections; a result is refused when one request failed."""

import re
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from benchmarks.clients.echo import percentile_99
from benchmarks.failure import BenchmarkError, RoundFailed

CLIENTS = 10
STREAMS = 10
"""Requests open at once on each connection."""

WARM_REQUESTS = 1000
MOST_REQUESTS = 1_000_000
GRACE_SECONDS = 30

FINISHED = re.compile(r"^finished in [^,]+, ([0-9.]+) req/s", re.MULTILINE)
COUNTS = re.compile(r"^requests: (\d+) total, (\d+) started, (\d+) done, (\d+) succeeded, (.*)$", re.MULTILINE)
STATUSES = re.compile(r"^status codes: (\d+) 2xx, (.*)$", re.MULTILINE)
PROTOCOL = re.compile(r"^Application protocol: (\S+)$", re.MULTILINE)


class H2LoadResult(msgspec.Struct, frozen=True):
    """So many requests, all of them answered with success. `rate` is of a second."""

    requests: int
    rate: float
    p99_seconds: float


def h2load_path() -> str:
    """Where h2load is.

    Raises:
        BenchmarkError: it is not installed.
    """
    path = shutil.which("h2load")
    if path is None:
        raise BenchmarkError("h2load is not installed; on Debian: apt-get install nghttp2-client")
    return path


def requests_within(seconds: float, rate: float) -> int:
    """As many as take about so long at this rate, within what is sensible."""
    return max(CLIENTS * STREAMS, min(MOST_REQUESTS, int(seconds * rate)))


def read_result(output: str, requests: int, log: Path) -> H2LoadResult:
    """What h2load has printed, and the time of each request from its log.

    Raises:
        RoundFailed: not every request succeeded, or another protocol was spoken.
    """
    finished, counts, statuses, protocol = (pattern.search(output) for pattern in (FINISHED, COUNTS, STATUSES, PROTOCOL))
    if finished is None or counts is None or statuses is None:
        raise RoundFailed(f"h2load has no result: {output[-500:]}")
    if protocol is None or protocol[1] not in ("h2", "h2c"):
        raise RoundFailed(f"{protocol[1] if protocol else 'nothing'} was spoken, not HTTP/2")
    if not (int(counts[1]) == int(counts[4]) == int(statuses[1]) == requests):
        raise RoundFailed(
            f"of {requests} requests some failed: {counts[4]} succeeded, {counts[5]}; {statuses[1]} answers 2xx, {statuses[2]}"
        )
    waits = [int(line.rpartition("\t")[2]) for line in log.read_text().splitlines()]
    return H2LoadResult(requests=requests, rate=float(finished[1]), p99_seconds=percentile_99(waits) / 1e6)


def run_h2load(url: str, *, requests: int, seconds: float) -> H2LoadResult:
    """Asks `url` so many times; `seconds` is how long that should take about. HTTP/2 by prior knowledge, or by ALPN where `url` is https.

    Raises:
        RoundFailed: any request failed, or all together took `GRACE_SECONDS` longer than they should.
    """
    with TemporaryDirectory(prefix="pagi-h2load-") as folder:
        log = Path(folder) / "requests.log"
        command = [h2load_path(), "-t1", f"-c{CLIENTS}", f"-m{STREAMS}", f"-n{requests}", f"--log-file={log}", url]
        try:
            finished = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            raise RoundFailed(f"{requests} requests were to take {seconds:g} s and had not ended {GRACE_SECONDS} s later")
        return read_result(finished.stdout + finished.stderr, requests, log)
