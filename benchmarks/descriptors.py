"""How many files and connections a process may have open. Servers inherit ours."""

import resource

from benchmarks.failure import BenchmarkError

OWN = 500
"""What a process has open beside its connections, generously."""


def raise_descriptor_limit(connections: int) -> None:
    """Lets us, and every server started afterwards, hold so many connections.

    Raises:
        BenchmarkError: the system allows fewer.
    """
    needed = connections + OWN
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise BenchmarkError(f"{connections} connections need {needed} open files, {hard} are allowed; raise the hard limit (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
