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
        match line.split(":", 2):
            case ["0", _, path]:  # cpu.max is "200000 100000" or "max 100000" (Linux, Documentation/admin-guide/cgroup-v2.rst)
                for folder in _upwards(root / "sys/fs/cgroup", path):
                    yield from _quota(_text(folder / "cpu.max"))
            case [_, controllers, path] if "cpu" in controllers.split(","):  # a quota of -1 is none (Documentation/scheduler/sched-bwc.rst)
                for folder in _upwards(root / "sys/fs/cgroup" / controllers, path):
                    yield from _quota(f"{_text(folder / 'cpu.cfs_quota_us')} {_text(folder / 'cpu.cfs_period_us')}")
            case _:
                continue


def _upwards(mounted: Path, path: str) -> Iterator[Path]:
    here = mounted / path.lstrip("/")
    yield here
    yield from (folder for folder in here.parents if folder == mounted or folder.is_relative_to(mounted))


def _quota(text: str) -> Iterator[float]:
    """Microseconds of CPU, and of the period in which they may be used."""
    match text.split():
        case [quota, period] if quota.isdecimal() and period.isdecimal() and int(period):
            yield int(quota) / int(period)
        case _:
            return


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
