"""The limit of open descriptors is raised to what the connections need, and never lowered."""

import resource
import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
from pagi.server.process.descriptors import allow_connections
soft, hard, count = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
allow_connections(count)
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "count", "after"),
    [
        (256, 2000, 1000, 1256),
        (256, 500, 1000, 500),
        (1900, 2000, 1000, 1900),
        (256, 2000, 0, 2000),
        (2000, 2000, 10_000, 2000),
    ],
)
def test_the_soft_limit_rises_as_far_as_needed_and_allowed(soft: int, hard: int, count: int, after: int) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert most >= 2000 or most == resource.RLIM_INFINITY, "this test needs to set limits of its own"
    command = [sys.executable, "-c", PROGRAM, str(soft), str(hard), str(count)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == [str(after), str(hard)]
