"""How many CPUs are ours: by affinity, and by the quota of a container (cgroup v2 or v1)."""

import os
from collections.abc import Iterator
from math import ceil
from pathlib import Path

ROOT = Path("/")


def available_cpus(root: Path = ROOT) -> int:
    """CPUs that this process may keep busy, at least 1. Part of one counts as one."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(min([count, *map(ceil, _quotas(root))]), 1)


def _quotas(root: Path) -> Iterator[float]:
    """The CPUs that our cgroups allow, and those above them. A container may not see all of the path that leads to its own."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0":
            yield from (quota for folder in _upwards(root / "sys/fs/cgroup", path) for quota in _quota_v2(folder))
        elif "cpu" in controllers.split(","):
            yield from (quota for folder in _upwards(root / "sys/fs/cgroup" / controllers, path) for quota in _quota_v1(folder))


def _upwards(mounted: Path, path: str) -> Iterator[Path]:
    here = mounted / path.lstrip("/")
    yield here
    yield from (folder for folder in here.parents if folder == mounted or folder.is_relative_to(mounted))


def _quota_v2(folder: Path) -> Iterator[float]:
    """`cpu.max` is "200000 100000", of which the first may be "max" (Documentation/admin-guide/cgroup-v2.rst of Linux)."""
    match _text(folder / "cpu.max").split():
        case [quota, period] if quota.isdecimal() and period.isdecimal():
            yield int(quota) / int(period)
        case _:
            return


def _quota_v1(folder: Path) -> Iterator[float]:
    """Microseconds of each period; -1 where there is no limit (Documentation/scheduler/sched-bwc.rst of Linux)."""
    quota, period = _text(folder / "cpu.cfs_quota_us").strip(), _text(folder / "cpu.cfs_period_us").strip()
    if quota.isdecimal() and period.isdecimal():
        yield int(quota) / int(period)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
