"""How many files and sockets this process may have open: the soft limit is often 1,024, a tenth of what our options promise."""

import resource
from contextlib import suppress

BESIDE_CONNECTIONS = 256
"""For everything that is no connection of ours: the program, its files and databases."""


def allow_connections(count: int) -> None:
    """Raises the soft limit to what so many connections need (0: without limit), as far as the hard limit lets us. It never lowers it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return
    needed = count + BESIDE_CONNECTIONS if count else resource.RLIM_INFINITY
    if hard != resource.RLIM_INFINITY and (needed == resource.RLIM_INFINITY or needed > hard):
        needed = hard
    if needed == resource.RLIM_INFINITY or needed > soft:
        with suppress(OSError, ValueError):  # macOS has a lower limit still, which it does not tell
            resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
