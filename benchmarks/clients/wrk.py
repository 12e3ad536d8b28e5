"""Load by wrk: one thread in C, as many connections as asked, and a result that is refused when one request failed."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import msgspec

from benchmarks.failure import BenchmarkError, RoundFailed

GRACE_SECONDS = 15
SCRIPT = Path(__file__).with_name("wrk.lua")


class WrkResult(msgspec.Struct, frozen=True):
    """What wrk counted. Errors by kind; `status` are answers of 400 and above."""

    requests: int
    microseconds: int
    p99_microseconds: int
    connect: int
    read: int
    write: int
    status: int
    timeout: int


def wrk_path() -> str:
    """Where wrk is.

    Raises:
        BenchmarkError: it is not installed.
    """
    path = shutil.which("wrk")
    if path is None:
        raise BenchmarkError("wrk is not installed; on Debian: apt-get install wrk")
    return path


def run_wrk(url: str, *, seconds: int, connections: int, headers: Mapping[str, str], script: tuple[str, ...]) -> WrkResult:
    """Asks `url` for some seconds.

    Raises:
        RoundFailed: any request failed, or none was answered.
    """
    fields = [argument for name, value in headers.items() for argument in ("-H", f"{name}: {value}")]
    command = [wrk_path(), "-t1", f"-c{connections}", f"-d{seconds}s", *fields, "-s", str(SCRIPT), url, "--", *script]
    try:
        finished = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        raise RoundFailed(f"wrk was to ask for {seconds} s and had not ended {GRACE_SECONDS} s later")
    line = next((line for line in finished.stdout.splitlines() if line.startswith("RESULT ")), None)
    if line is None:
        raise RoundFailed(f"wrk ended with status {finished.returncode} and no result: {finished.stdout}{finished.stderr}")
    result = msgspec.json.decode(line.removeprefix("RESULT "), type=WrkResult)
    errors = {kind: getattr(result, kind) for kind in ("connect", "read", "write", "status", "timeout") if getattr(result, kind)}
    if errors:
        raise RoundFailed(f"of {result.requests} requests some failed: {', '.join(f'{kind} {number}' for kind, number in errors.items())}")
    if not result.requests:
        raise RoundFailed(f"no request was answered within {seconds} s")
    return result
