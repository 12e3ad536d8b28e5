"""What an operator is told first: what is served, what is spoken, on which loop, by which processes."""

import importlib.util
import os
from importlib.metadata import version

from pagi.cli.load import Target
from pagi.server import ServerOptions


def banner(target: Target, options: ServerOptions) -> str:
    """One line, for the log. Where it listens is said when it does.

    >>> from pathlib import Path
    >>> line = banner(Target("main", Path(), None, "app"), ServerOptions())
    >>> line.partition(": ")[2].partition(", on ")[0]
    'HTTP/1.1 and HTTP/2'
    """
    return f"pagi {version('pagi-web')} serves {target}: {_spoken(options)}, on {_loop(options)}, {_processes(options)}"


def _spoken(options: ServerOptions) -> str:
    framings = "HTTP/1.1 and HTTP/2" if options.http2.http2 else "HTTP/1.1"
    return framings if options.tls.ssl_certfile is None else f"{framings} over TLS"


def _loop(options: ServerOptions) -> str:
    loop = options.serve.loop
    if loop != "auto":
        return loop
    return "uvloop" if importlib.util.find_spec("uvloop") is not None else "asyncio"


def _processes(options: ServerOptions) -> str:
    processes = options.processes
    if not processes.is_supervised:
        return f"process {os.getpid()}"
    count = processes.workers
    workers = "a worker for each CPU" if count == "auto" else "1 worker" if count == 1 else f"{count} workers"
    return f"{workers} under process {os.getpid()}"
