"""What h2load prints counts only if every request succeeded, and over HTTP/2."""

from pathlib import Path

import pytest

from benchmarks.clients.h2load import read_result, requests_within
from benchmarks.failure import RoundFailed

GOOD = """starting benchmark...
Application protocol: h2c
finished in 982.61ms, 20353.96 req/s, 1.05MB/s
requests: 200 total, 200 started, 200 done, 200 succeeded, 0 failed, 0 errored, 0 timeout
status codes: 200 2xx, 0 3xx, 0 4xx, 0 5xx
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "requests.log"
    path.write_text("".join(f"1795665833167364\t200\t{microseconds}\n" for microseconds in range(1, 201)))
    return path


def test_a_whole_round_has_its_number_its_rate_and_its_slow_requests(log: Path) -> None:
    result = read_result(GOOD, 200, log)
    assert (result.requests, result.rate, result.p99_seconds) == (200, 20353.96, 199e-6)


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("200 succeeded, 0 failed", "199 succeeded, 1 failed", "199 succeeded, 1 failed"),
        ("200 2xx, 0 3xx, 0 4xx, 0 5xx", "150 2xx, 0 3xx, 0 4xx, 50 5xx", "50 5xx"),
        ("200 total", "100 total", "of 200 requests"),
        ("protocol: h2c", "protocol: http/1.1", "http/1.1 was spoken"),
        ("finished in", "ended after", "no result"),
    ],
)
def test_a_round_with_anything_amiss_is_refused(log: Path, right: str, wrong: str, said: str) -> None:
    with pytest.raises(RoundFailed, match=said):
        read_result(GOOD.replace(right, wrong), 200, log)


@pytest.mark.parametrize(("rate", "requests"), [(5000.0, 10_000), (1.0, 100), (1e9, 1_000_000)])
def test_a_round_fills_its_time_within_what_is_sensible(rate: float, requests: int) -> None:
    assert requests_within(2.0, rate) == requests
