"""What a server's processes have cost: CPU time and memory, as the kernel counts them."""

import os
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Sample(msgspec.Struct, frozen=True):
    """One round under load. `count` is requests, messages or events; `p99_seconds` is of a request, an echo, or a subscriber's burst."""

    count: int
    cpu_seconds: float
    wall_seconds: float
    p99_seconds: float
    supervisor_seconds: float = 0.0
    """What of `cpu_seconds` the first process took, where others serve."""

    @property
    def cpu_microseconds(self) -> float:
        """CPU time of the server's processes for one request."""
        return 1e6 * self.cpu_seconds / self.count

    @property
    def supervisor_microseconds(self) -> float:
        return 1e6 * self.supervisor_seconds / self.count

    @property
    def rate(self) -> float:
        return self.count / self.wall_seconds

    @property
    def busy(self) -> float:
        """Share of its core that the server used; well under 1, the load generator was the slower side."""
        return self.cpu_seconds / self.wall_seconds


class Footprint(msgspec.Struct, frozen=True):
    """Memory of a server with nothing open, and what each of `connections` idle ones added."""

    connections: int
    process_bytes: int
    connection_bytes: float


def session_members(leader: int) -> list[int]:
    """The processes of the session that `leader` began, orphans included: a server and all its workers.

    Empty once they have all ended.
    """
    members: list[int] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                stat = (entry / "stat").read_text()
            except (FileNotFoundError, ProcessLookupError):  # it ended while we looked
                continue
            state, _parent, _group, session = stat.rpartition(")")[2].split()[:4]
            if int(session) == leader and state != "Z":
                members.append(int(entry.name))
    return members


def cpu_seconds(pids: Iterable[int]) -> float:
    """CPU time used so far by these processes, their finished threads included.

    /proc/PID/stat counts in ticks of 10 ms, too coarse for a burst; the CPU clock of another process counts nanoseconds.
    Its id is made as clock_getcpuclockid(3) makes it: the inverted pid above three bits, of which 2 means scheduler time.
    """
    return sum(time.clock_gettime((~pid << 3) | 2) for pid in pids)


def resident_bytes(pids: Iterable[int]) -> int:
    """Resident memory of these processes together; pages that they share count once for each."""
    return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES for pid in pids)


class Meter:
    """A stop watch for CPU and wall time of some processes, the first of them watched by itself too if it has others serve.

    Start it when the load runs, stop it before the load ends.
    """

    def __init__(self, leader: int, pids: list[int]) -> None:
        self.pids = pids
        self.supervisor = [leader] if len(pids) > 1 else []
        self.cpu = 0.0
        self.supervisor_cpu = 0.0
        self.wall = 0.0

    def start(self) -> None:
        self.cpu = cpu_seconds(self.pids)
        self.supervisor_cpu = cpu_seconds(self.supervisor)
        self.wall = time.perf_counter()

    def stop(self) -> None:
        self.cpu = cpu_seconds(self.pids) - self.cpu
        self.supervisor_cpu = cpu_seconds(self.supervisor) - self.supervisor_cpu
        self.wall = time.perf_counter() - self.wall

    def sample(self, count: int, p99_seconds: float, *, wall_seconds: float | None = None) -> Sample:
        """What was measured between start and stop, for `count` requests answered meanwhile; by the client's clock if that is given."""
        return Sample(
            count=count,
            cpu_seconds=self.cpu,
            wall_seconds=self.wall if wall_seconds is None else wall_seconds,
            p99_seconds=p99_seconds,
            supervisor_seconds=self.supervisor_cpu,
        )
