"""Heads that drip, bodies that stall, readers that stop, hundreds of each at once: nobody else waits, each meets its own deadline."""

import statistics
import time
from pathlib import Path

import psutil
import pytest

from tests.drills.conftest import WHOLE
from tests.faults.fleet import Ends, slow_clients
from tests.faults.latency import Latency, latency_of
from tests.faults.remains import at_rest, ends_of, settled
from tests.server.child import Child, running

pytestmark = [pytest.mark.drill, pytest.mark.quiet]

APP = Path(__file__).parents[1] / "faults" / "app.py"
LOOPS = ["uvloop", "trio", "asyncio"] if WHOLE else ["uvloop", "trio"]
RUNS = 3 if WHOLE else 1
DEADLINES = {"head": 8.0, "body": 10.0, "read": 12.0} if WHOLE else {"head": 2.0, "body": 2.0, "read": 2.0}
SWEEP = min(1.0, *(seconds / 4 for seconds in DEADLINES.values()))
SLACK = 1.0
"""What a busy machine may add to a deadline."""
EARLY = 0.1
"""A client counts from its own first word, which the server may have heard a little before."""
LEAST_BOUND = 20.0
"""Milliseconds that a request may take however short the quiet ones were."""


def accepted(child: Child, count: int) -> float:
    """Waits until the server has accepted so many that came at once, and says how many seconds that took."""
    began = time.monotonic()
    while psutil.Process(child.process.pid).num_fds() < count:
        time.sleep(0.02)
    return time.monotonic() - began


@pytest.mark.parametrize("loop", LOOPS)
def test_slow_clients_hold_nobody_up_and_meet_their_own_deadlines(loop: str, scale: float, tmp_path: Path) -> None:
    count = int(500 * scale)
    flags = ["--timeout-head", DEADLINES["head"], "--timeout-body", DEADLINES["body"], "--timeout-write", DEADLINES["read"]]
    quiet: list[Latency] = []
    attacked: list[Latency] = []
    coming: list[float] = []
    ended: list[dict[str, Ends]] = []
    with running(tmp_path, APP, "--loop", loop, *map(str, flags)) as child:
        before = at_rest(child)
        for _ in range(RUNS):
            quiet.append(latency_of(child.port, 2.0 if WHOLE else 0.8))
            with slow_clients(child.port, 3 * max(DEADLINES.values()), head=count, body=count, read=count) as fleet:
                coming.append(accepted(child, 3 * count))
                attacked.append(latency_of(child.port, max(min(DEADLINES.values()) - coming[-1] - SWEEP, 0.3)))
                ended.append(fleet.wait(3 * max(DEADLINES.values())))
        ends = ends_of(child)
        after = settled(child, before)
        refused = child.stdout.count("the request's head took over")
    bound = max(LEAST_BOUND, 3 * statistics.median(run.p99 for run in quiet))
    p99 = statistics.median(run.p99 for run in attacked)
    print(f"\n{loop}: {count} slow heads, {count} slow bodies, {count} slow readers, {RUNS} runs")
    for run in range(RUNS):
        print(f"  quiet     {quiet[run]}")
        print(f"  attacked  {attacked[run]}; all were accepted after {coming[run]:.2f} s")
        for kind, end in ended[run].items():
            print(f"  {kind} (deadline {DEADLINES[kind]:g} s): {end}")
    print(f"  median p99 under attack {p99:.2f} ms, bound {bound:.2f} ms")
    for came, fate in zip(coming, ended, strict=True):
        assert fate["head"].ends == {"408": count}
        assert fate["body"].ends == {"408": count}
        assert fate["read"].ends == {"reset": count}
        for kind, deadline in DEADLINES.items():
            assert fate[kind].first >= deadline - EARLY
            assert fate[kind].last <= came + deadline + 2 * SWEEP + SLACK
    assert refused == RUNS * count
    assert ends == {"http client_timeout": RUNS * count, "http write_timeout": RUNS * count}
    assert after == before
    assert p99 < bound
    assert "Traceback" not in child.stderr
