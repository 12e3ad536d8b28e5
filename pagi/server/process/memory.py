"""What the C library does with freed memory. A server frees buffers of some hundred KiB all day and needs them again at once."""

KEPT_BYTES = 4 * 1024 * 1024
"""Buffers up to this size come out of memory that the process keeps; it keeps at most twice as much that is free."""


def keep_freed_memory() -> None:
    """Has glibc keep freed buffers for the next. Elsewhere it does nothing.

    By default glibc gives buffers over 128 KiB back to the system and takes them anew, each page by a fault, which costs several
    times what reading into them does. Its threshold follows the largest such buffer that was freed (mallopt(3),
    M_MMAP_THRESHOLD), so one is freed here. It is never touched and takes no memory. Whoever sets the threshold in the
    environment keeps it.
    """
    bytes(KEPT_BYTES)
