"""What an operator is told when the server listens: where, on which loop, what it speaks, and as which process."""

import os
from asyncio import AbstractEventLoop
from collections.abc import Sequence

from pagi.server.options import ServerOptions


def loop_name(loop: AbstractEventLoop | None) -> str:
    """How `--loop` calls a running loop; None is trio's.

    >>> loop_name(None)
    'trio'
    """
    if loop is None:
        return "trio"
    return "uvloop" if type(loop).__module__.startswith("uvloop") else "asyncio"


def protocols(options: ServerOptions) -> str:
    """What is spoken."""
    return "HTTP/1.1"


def listening(addresses: Sequence[str], options: ServerOptions, loop: AbstractEventLoop | None) -> str:
    """The line that says that clients may come."""
    return f"listening on {', '.join(addresses)} ({protocols(options)}, {loop_name(loop)}, process {os.getpid()})"
