"""One process that serves one application: start, serve, drain, end."""

import logging
import socket
from collections.abc import Callable
from typing import Any

import anyio
from anyio.abc import TaskGroup, TaskStatus

from pagi.gateway.marker import is_pagi
from pagi.gateway.types import AnyApp
from pagi.server.options import ServerOptions, server_options
from pagi.server.process.certificates import Pair
from pagi.server.process.lifespan import Lifespan
from pagi.server.process.listeners import Listeners, address_of, open_listeners, port_of
from pagi.server.process.shares import Share
from pagi.server.process.tls import TLS, tls_of
from pagi.server.service import Service
from pagi.server.transports.anyio_accepting import AnyioTransport
from pagi.server.transports.asyncio import AsyncioTransport, running_loop

log = logging.getLogger("pagi.server")

CUT_SECONDS = 1.0
"""How long a cancelled application may take to end before it is left behind."""


class Server:
    """Serves `app`, inside a running loop: asyncio, uvloop or trio.

    `options` are a `ServerOptions`, or single options by name:

        server = Server(app, port=8000, graceful_seconds=10)
        async with anyio.create_task_group() as group:
            port = await group.start(server.serve)
            ...
            server.shutdown()
    """

    def __init__(self, app: AnyApp, options: ServerOptions | None = None, /, **named: Any) -> None:
        self.app = app
        self.options = options if options is not None else server_options(**named)
        self.pair: Pair | None = None
        """A certificate in memory, to be served in place of one in files; set before it is built."""
        self.addresses: list[str] = []
        """Where it listens, as a person writes it; empty until it does."""
        self.port: int | None = None
        """The first bound TCP port; None before it listens, and where it has only Unix sockets."""
        self.service: Service | None = None
        """What is served; None before and after."""
        self.is_accepting = False
        """It takes new connections."""
        self.was_cut = False
        """Work was left at the shutdown deadline and was cut (exit code 4)."""
        self.worker: int | None = None
        """Which worker this is, from 1; None where there is one process."""
        self.share: Share | None = None
        """Ours of all connections, where other workers accept on the same sockets."""
        self.when_spent: Callable[[], None] = self._spent
        """Called when as many requests have begun as `max_requests` allows."""
        self._stop = False
        self._forced = False
        self._retires = False
        self._shares_sockets = False
        """Whoever gave us the sockets keeps them open: what waits there is not lost."""
        self._wake: Callable[[], None] | None = None
        self._tls: TLS | None = None

    def shutdown(self, *, force: bool = False, retiring: bool = False) -> None:
        """Begins the graceful end: nothing more is accepted, exchanges are told and drained until `graceful_seconds` passed.

        With `force`, or when called again with it, what is left is cut at once. With `retiring` another process serves on the same
        sockets: there is no `shutdown_delay_seconds`, and idle connections may stay for their `keep_alive_seconds`. Call it in the
        loop's own thread.
        """
        self._stop = True
        self._retires = self._retires or retiring
        self._forced = self._forced or force
        if self._wake is not None:
            self._wake()

    def reload_certificate(self) -> None:
        """Reads the certificate and its key anew, for connections from now on. Call it in the loop's own thread.

        If they cannot be used, the old ones stay and the log says so. Files that change are found without it.
        """
        if self._tls is not None:
            self._tls.reload()

    def build(self) -> None:
        """Compiles the application, if it is of a kind that can be, and reads the certificate; `serve` does so by itself.

        Raises:
            BadCertificate: TLS cannot be spoken with the files that the options name.
            ConfigError: the application's wiring is wrong.
        """
        if self._tls is None:
            protocols = ["h2", "http/1.1"] if self.options.http2.http2 else ["http/1.1"]
            self._tls = tls_of(self.options.tls, self.pair, protocols=protocols)
        build = getattr(self.app, "build", None)
        if is_pagi(self.app) and callable(build):
            build()

    async def serve(
        self, sockets: list[socket.socket] | Listeners | None = None, *, task_status: TaskStatus[int | None] = anyio.TASK_STATUS_IGNORED
    ) -> None:
        """Serves until `shutdown`, or until it is cancelled. Reports the bound port (None on a Unix socket) once it listens.

        `sockets` listen already, and are served in place of what the options name. They are closed at the end. A list of them is
        shared with whoever gave it, who keeps them open, and the files of Unix sockets; `Listeners` are only ours.

        Raises:
            BadCertificate: TLS cannot be spoken with the files that the options name.
            CannotListen: an address is taken, forbidden or unknown.
            StartupFailed: the application could not start.
            ConfigError: the application's wiring is wrong.
        """
        self.build()
        self._shares_sockets = isinstance(sockets, list)
        if sockets is None:
            sockets = open_listeners(self.options.listen)
        listeners = Listeners(sockets) if isinstance(sockets, list) else sockets
        failure: Exception | None = None
        try:
            async with anyio.create_task_group() as group:
                try:
                    await self._serve(group, listeners.sockets, task_status)
                except Exception as error:
                    failure = error
                group.cancel_scope.cancel()
        finally:
            listeners.close()
        if failure is not None:
            raise failure

    async def _serve(self, group: TaskGroup, sockets: list[socket.socket], task_status: TaskStatus[int | None]) -> None:
        options = self.options
        loop = running_loop()
        transport = await AnyioTransport.open(group) if loop is None else AsyncioTransport(loop)
        service = Service(self.app, options, transport.runtime)
        service.keeper = self._tls
        service.when_spent = self.when_spent
        service.share = self.share
        lifespan: Lifespan | None = None
        if options.serve.lifespan != "off":
            lifespan = Lifespan(
                service.app,
                mode=options.serve.lifespan,
                startup_seconds=options.timeouts.startup_seconds,
                state=service.state,
                worker=self.worker,
            )
            await group.start(lifespan.run)
        service.start()
        self.service = service
        try:
            await transport.listen(service, sockets)
            if self.share is not None:
                self.share.hold(0)
            self.is_accepting = True
            self.addresses = [address_of(opened, "http" if self._tls is None else "https") for opened in sockets]
            self.port = port_of(sockets)
            # Who gave us a list of sockets knows where they listen.
            log.log(logging.DEBUG if self._shares_sockets else logging.INFO, "listening on %s", ", ".join(self.addresses))
            task_status.started(self.port)
            await self._until(lambda: self._stop)
            await self._delay(service)
            await self._drain(service, transport)
        finally:
            with anyio.CancelScope(shield=True):
                await self._cut(service)
            service.stop()
            self.service = None
        if lifespan is not None:
            left = (service.closing_deadline or 0.0) - transport.runtime.now()
            await lifespan.shutdown(max(left, CUT_SECONDS))

    async def _delay(self, service: Service) -> None:
        """Goes on serving for as long as load balancers need to hear that this server will end."""
        seconds = 0.0 if self._retires else self.options.timeouts.shutdown_delay_seconds
        service.is_leaving = True
        if seconds and not self._forced:
            log.info("stopping: not ready any more, closing in %g s", seconds)
            with anyio.move_on_after(seconds):
                await self._until(lambda: self._forced)

    async def _drain(self, service: Service, transport: AnyioTransport | AsyncioTransport) -> None:
        """Everything between the last accept and the last byte."""
        runtime = transport.runtime
        self.is_accepting = False
        if self.share is not None:
            service.share = None
            self.share.leave()
        await transport.stop_listening(take_waiting=not (self._shares_sockets and self._retires))
        deadline = runtime.now() + self.options.timeouts.graceful_seconds
        open_connections = len(service.connections)
        service.begin_closing(deadline, retiring=self._retires)
        if service.connections:
            log.info("closing: %d connections, at most %g s", open_connections, self.options.timeouts.graceful_seconds)
        async with anyio.create_task_group() as waiting:

            async def drained() -> None:
                await service.quiet()
                waiting.cancel_scope.cancel()

            waiting.start_soon(drained)
            with anyio.move_on_at(deadline):
                await self._until(lambda: self._forced)
            waiting.cancel_scope.cancel()

    async def _cut(self, service: Service) -> None:
        """Ends what is left, at the deadline or because serving itself was cancelled or failed."""
        left = service.cut()
        if left:
            self.was_cut = True
            log.warning("%d exchanges were still open and were cut (server_shutdown)", len(left))
            stubborn = await service.runtime.cancel(left, CUT_SECONDS)
            if stubborn:
                log.error("%d exchanges ignore their cancellation and are left behind", stubborn)

    def _spent(self) -> None:
        log.info("as many requests have begun as max_requests allows: closing")
        self.shutdown()

    async def _until(self, is_so: Callable[[], bool]) -> None:
        """Waits for what `shutdown` sets."""
        while not is_so():
            event = anyio.Event()
            self._wake = event.set
            await event.wait()
