"""Whether the terminal that the process was started from is still there."""

import os

STREAMS = (0, 1, 2)


class Terminal:
    """The terminal at the time this is made, if the process has one."""

    def __init__(self) -> None:
        self._streams = [descriptor for descriptor in STREAMS if _is_terminal(descriptor)]

    @property
    def is_gone(self) -> bool:
        """There was one, and it hung up: its HUP is no wish to reload."""
        return bool(self._streams) and not any(map(_is_terminal, self._streams))


def _is_terminal(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor)
    except OSError:
        return False
