"""The blocking front door of the server: a loop of its own, signals, and an exit code."""

import importlib.util
import logging
import os
import socket
from typing import Any

import anyio

from pagi.gateway.types import AnyApp
from pagi.http.errors import ConfigError
from pagi.server.options import ServerOptions, server_options
from pagi.server.process.descriptors import allow_connections
from pagi.server.process.lifespan import StartupFailed
from pagi.server.process.listeners import open_listeners
from pagi.server.process.logs import set_up_unset_logging
from pagi.server.process.looking_in import let_look_in
from pagi.server.process.memory import keep_freed_memory
from pagi.server.process.signals import obey_signals
from pagi.server.process.windows import open_windows
from pagi.server.server import Server

log = logging.getLogger("pagi.server")

EXIT_CLEAN = 0
EXIT_FAILED = 1
EXIT_START = 3
EXIT_CUT = 4


def run(app: AnyApp, options: ServerOptions, sockets: list[socket.socket] | None = None) -> int:
    """Serves until INT or TERM, on a loop of its own, and returns the exit code. `sockets` are as for `Server.serve`.

    0: clean. 1: the server failed while running. 3: it could not start. 4: the deadline passed and work was cut.
    """
    backend, backend_options = choose_loop(options.serve.loop)
    keep_freed_memory()
    allow_connections(options.listen.max_connections)
    try:
        return anyio.run(_serve_with_signals, app, options, sockets, backend=backend, backend_options=backend_options)
    except (ConfigError, StartupFailed) as error:
        log.error("%s", error)
        return EXIT_START
    except Exception:
        log.exception("the server failed")
        return EXIT_FAILED


def serve(app: AnyApp, options: ServerOptions | None = None, /, **named: Any) -> None:
    """Serves `app` until INT or TERM. `options` are a `ServerOptions`, or single options by name: `serve(app, port=8080)`.

    Raises:
        SystemExit: with the exit code, unless the end was clean (see `run`).
    """
    chosen = options if options is not None else server_options(**named)
    set_up_unset_logging(chosen.logs)
    code = run(app, chosen)
    if code != EXIT_CLEAN:
        raise SystemExit(code)


def choose_loop(loop: str) -> tuple[str, dict[str, Any]]:
    """anyio's backend and its options for a `--loop`.

    Raises:
        ConfigError: uvloop or trio was asked for by name and is not installed.
    """
    if loop == "trio":
        _demand("trio", "install trio")
        return "trio", {}
    if loop == "uvloop":
        _demand("uvloop", "install the extra: pip install 'pagi-web[speed]'")
    use_uvloop = loop == "uvloop" or (loop == "auto" and importlib.util.find_spec("uvloop") is not None)
    return "asyncio", {"use_uvloop": use_uvloop}


def _demand(package: str, remedy: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise ConfigError(f"loop {package!r} was asked for, but {package} is not installed; {remedy}")


async def _serve_with_signals(app: AnyApp, options: ServerOptions, sockets: list[socket.socket] | None) -> int:
    server = Server(app, options)
    server.build()
    listeners = open_listeners(options.listen, os.environ) if sockets is None else sockets
    windows = open_windows(options.watch)
    failure: Exception | None = None
    async with anyio.create_task_group() as group:
        await group.start(obey_signals, server)
        if windows.sockets:
            log.info("open to whoever may look in: %s", windows)
            group.start_soon(let_look_in, server, windows)
        try:
            await server.serve(listeners)
        except Exception as error:
            failure = error
        group.cancel_scope.cancel()
    windows.close()
    if failure is not None:
        raise failure
    return EXIT_CUT if server.was_cut else EXIT_CLEAN
