"""CPUs are counted by affinity and by the quota of every cgroup that holds us."""

import os
from pathlib import Path

import pytest

from pagi.server.process.cpus import available_cpus

Files = dict[str, str]

V2 = "0::/app/web\n"
V1 = "12:pids:/docker/abc\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/docker/abc\n"

QUOTAS: list[tuple[str, Files, int]] = [
    ("nothing is known", {}, 8),
    ("v2 without a limit", {"proc/self/cgroup": V2, "sys/fs/cgroup/app/web/cpu.max": "max 100000\n"}, 8),
    ("v2 of two", {"proc/self/cgroup": V2, "sys/fs/cgroup/app/web/cpu.max": "200000 100000\n"}, 2),
    ("part of a CPU counts as one", {"proc/self/cgroup": V2, "sys/fs/cgroup/app/web/cpu.max": "150000 100000\n"}, 2),
    ("less than one is one", {"proc/self/cgroup": V2, "sys/fs/cgroup/app/web/cpu.max": "10000 100000\n"}, 1),
    ("no quota at all is one", {"proc/self/cgroup": V2, "sys/fs/cgroup/app/web/cpu.max": "0 100000\n"}, 1),
    ("a larger quota than there are CPUs", {"proc/self/cgroup": V2, "sys/fs/cgroup/app/web/cpu.max": "6400000 100000\n"}, 8),
    (
        "v2 that a group above limits",
        {"proc/self/cgroup": V2, "sys/fs/cgroup/app/cpu.max": "300000 100000\n", "sys/fs/cgroup/app/web/cpu.max": "max 100000\n"},
        3,
    ),
    ("v2 whose path a container does not see", {"proc/self/cgroup": V2, "sys/fs/cgroup/cpu.max": "400000 100000\n"}, 4),
    ("v2 of a container of its own", {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "400000 100000\n"}, 4),
    ("v2 above the container", {"proc/self/cgroup": "0::/../other\n", "sys/fs/cgroup/cpu.max": "400000 100000\n"}, 4),
    (
        "v1 of two",
        {
            "proc/self/cgroup": V1,
            "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "200000\n",
            "sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us": "100000\n",
        },
        2,
    ),
    (
        "v1 without a limit",
        {
            "proc/self/cgroup": V1,
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
        },
        8,
    ),
    ("nonsense", {"proc/self/cgroup": V2, "sys/fs/cgroup/app/web/cpu.max": "many\n"}, 8),
    ("a period of nothing", {"proc/self/cgroup": V2, "sys/fs/cgroup/app/web/cpu.max": "100000 0\n"}, 8),
    ("lines that are none", {"proc/self/cgroup": "hello\n"}, 8),
]


@pytest.mark.parametrize(("files", "count"), [pytest.param(files, count, id=name) for name, files, count in QUOTAS])
def test_the_least_of_affinity_and_quotas_counts(files: Files, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def eight(_process: int) -> set[int]:
        return set(range(8))

    monkeypatch.setattr(os, "sched_getaffinity", eight, raising=False)
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert available_cpus(tmp_path) == count


def test_this_machine_has_at_least_one() -> None:
    assert 1 <= available_cpus() <= (os.cpu_count() or 1)
