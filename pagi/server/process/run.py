"""The blocking front door of the server: a loop of its own, signals, and an exit code."""

import importlib.util
import logging
import os
import socket
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeAlias

import anyio
from anyio.abc import TaskStatus

from pagi.gateway.types import AnyApp
from pagi.http.errors import ConfigError
from pagi.server.options import ProcessOptions, ServerOptions, server_options
from pagi.server.process import systemd
from pagi.server.process.certificates import Pair
from pagi.server.process.descriptors import allow_connections
from pagi.server.process.exit_codes import EXIT_CLEAN, EXIT_CUT, EXIT_FAILED, EXIT_START
from pagi.server.process.lifespan import StartupFailed
from pagi.server.process.listeners import open_listeners
from pagi.server.process.logs import set_up_unset_logging
from pagi.server.process.looking_in import let_look_in
from pagi.server.process.memory import keep_freed_memory
from pagi.server.process.signals import obey_signals
from pagi.server.process.systemd import ServiceManager
from pagi.server.process.windows import Windows, open_windows
from pagi.server.server import Server

log = logging.getLogger("pagi.server")

Obey: TypeAlias = Callable[..., Coroutine[Any, Any, None]]
"""Takes the server and a `task_status`: what ends it, for as long as it is not cancelled itself."""


def run(app: AnyApp, options: ServerOptions, sockets: list[socket.socket] | None = None, pair: Pair | None = None) -> int:
    """Serves until INT or TERM, on a loop of its own, and returns the exit code.

    `sockets` are as for `Server.serve`; `pair` is a certificate in memory, served in place of one in files.

    0: clean. 1: the server failed while running. 3: it could not start. 4: the deadline passed and work was cut.
    """
    demand_one_process(options)
    try:
        obey_umask(options.processes)
        manager = ServiceManager(os.environ)
        for name in systemd.VARIABLES:
            os.environ.pop(name, None)
        windows = open_windows(options.watch)
        server = Server(app, options)
        server.pair = pair
        try:
            return on_loop(server, sockets, partial(_obey, manager, windows), manager.ready)
        finally:
            windows.close()
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


def obey_umask(options: ProcessOptions) -> None:
    """Gives new files the permissions that the operator wants, from now on."""
    if options.umask is not None:
        os.umask(options.umask)


def demand_one_process(options: ServerOptions) -> None:
    """Refuses what a process that holds the application cannot do.

    Raises:
        ConfigError: more is asked for.
    """
    processes = options.processes
    if processes.workers != 1:
        raise ConfigError(
            "workers import the application by themselves, to be able to import it anew: name it to the command, "
            f"pagi run main:app --workers {processes.workers}"
        )
    if processes.is_supervised:
        raise ConfigError("pid_file, user, group and daemon are for a process that has not loaded the application: pagi run main:app")


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


async def _obey(manager: ServiceManager, windows: Windows, server: Server, *, task_status: TaskStatus[None]) -> None:
    """What goes on beside a server that is the whole service."""
    async with anyio.create_task_group() as group:
        await group.start(obey_signals, server, manager.stopping)
        if windows.sockets:
            log.info("open to whoever may look in: %s", windows)
            group.start_soon(let_look_in, server, windows)
        if manager.watchdog_seconds is not None:
            group.start_soon(_stay_alive, manager, manager.watchdog_seconds)
        task_status.started()


async def _stay_alive(manager: ServiceManager, seconds: float) -> None:
    while True:
        manager.alive()
        await anyio.sleep(seconds)


class WhenReady:
    """The `task_status` of a server: calls `fn` once it listens."""

    def __init__(self, fn: Callable[[], None]) -> None:
        self._fn = fn

    def started(self, value: object = None) -> None:
        """It does."""
        self._fn()


def on_loop(server: Server, sockets: list[socket.socket] | None, obey: Obey, when_ready: Callable[[], None] | None = None) -> int:
    """Serves on a loop of its own until what `obey` listens to ends it. Returns the exit code of an end without failure.

    Raises:
        ConfigError: a setting cannot be followed, or the application's wiring is wrong.
        StartupFailed: the application could not start.
    """
    backend, backend_options = choose_loop(server.options.serve.loop)
    keep_freed_memory()
    allow_connections(server.options.listen.max_connections)
    return anyio.run(_attended, server, sockets, obey, when_ready, backend=backend, backend_options=backend_options)


async def _attended(server: Server, sockets: list[socket.socket] | None, obey: Obey, when_ready: Callable[[], None] | None) -> int:
    server.build()
    listeners = open_listeners(server.options.listen, os.environ) if sockets is None else sockets
    failure: Exception | None = None
    async with anyio.create_task_group() as group:
        await group.start(obey, server)
        try:
            await server.serve(listeners, task_status=WhenReady(when_ready) if when_ready else anyio.TASK_STATUS_IGNORED)
        except Exception as error:
            failure = error
        group.cancel_scope.cancel()
    if failure is not None:
        raise failure
    return EXIT_CUT if server.was_cut else EXIT_CLEAN
