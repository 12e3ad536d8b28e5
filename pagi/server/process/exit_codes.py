"""What a process of ours says with its exit code."""

EXIT_CLEAN = 0
EXIT_FAILED = 1
"""Failed while running."""
EXIT_USAGE = 2
"""Wrong usage: a flag, a setting, or an application that is not there."""
EXIT_START = 3
"""Could not start."""
EXIT_CUT = 4
"""The deadline passed, and work was cut."""
EXIT_INTERRUPTED = 130
"""As a shell tells that an INT ended a process (128 + 2)."""
