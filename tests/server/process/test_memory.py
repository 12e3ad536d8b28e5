"""Freed buffers stay with the process: the system is not asked for each page of them again."""

import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource
from pagi.server.process.memory import keep_freed_memory

def faults_of_many_buffers():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(100):
        held = [bytearray(b"x") * 200_000 for _ in range(10)]
        del held
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

if {keep}:
    keep_freed_memory()
print(faults_of_many_buffers())
"""


def page_faults(*, keep: bool) -> int:
    """How many page faults a fresh process has for a thousand buffers of 200 KB, of which ten are held at a time."""
    done = subprocess.run([sys.executable, "-c", FAULTS.format(keep=keep)], capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc's allocator is told")
def test_buffers_are_used_again_without_page_faults() -> None:
    assert page_faults(keep=True) < page_faults(keep=False) / 5
