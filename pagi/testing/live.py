"""A live server on a free port of the loopback, for the few tests that need a real socket."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio

from pagi.gateway.types import AnyApp
from pagi.http.errors import ConfigError
from pagi.server.server import Server
from pagi.testing.runtime import HostedRuntime

STOP_SECONDS = 5.0
"""How long a server that was told to end at once may take."""


class LiveServer:
    """A server that listens."""

    def __init__(self, server: Server, port: int | None) -> None:
        self.server = server
        self._port = port

    @property
    def port(self) -> int:
        """The port it listens on.

        Raises:
            ConfigError: it listens on a Unix socket.
        """
        if self._port is None:
            raise ConfigError("a server on a Unix socket has no port")
        return self._port

    @property
    def url(self) -> str:
        """Scheme, address and port, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"


class _Start:
    """What `Server.serve` reports to."""

    def __init__(self) -> None:
        self.decided = anyio.Event()
        self.port: int | None = None
        self.listens = False

    def started(self, value: int | None = None) -> None:
        self.port = value
        self.listens = True
        self.decided.set()


@asynccontextmanager
async def live_server(app: AnyApp, **options: Any) -> AsyncGenerator[LiveServer]:
    """Serves `app` on this loop, in a task of its own, until the block is left; then drains (`graceful_seconds`, here 2).

    Raises:
        StartupFailed: the application could not start.
        CannotListen: `port` was given and is taken.
    """
    failures: list[BaseException] = []
    runtime = HostedRuntime(failures.append)
    where = {} if options.keys() & {"bind", "uds", "fd"} else {"port": 0}
    server = Server(app, **{**where, "graceful_seconds": 2.0, **options})
    start = _Start()

    async def run() -> None:
        try:
            await server.serve(task_status=start)
        finally:
            start.decided.set()

    task = runtime.spawn(run)
    try:
        await start.decided.wait()
        if start.listens:
            yield LiveServer(server, start.port)
    finally:
        with anyio.CancelScope(shield=True):
            server.shutdown()
            with anyio.move_on_after(server.options.timeouts.graceful_seconds + STOP_SECONDS):
                await task.wait()
            await runtime.end(STOP_SECONDS)
    if failures:
        raise failures[0]
