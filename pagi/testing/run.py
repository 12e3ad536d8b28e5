"""One run of the application under test: its lifespan, its connections, its clock, and how it is brought to an end."""

import logging
from collections.abc import Callable
from typing import Any

import anyio

from pagi.gateway.types import AnyApp
from pagi.http.errors import ConfigError
from pagi.server.exchanges.scope import Peer
from pagi.server.opening import open_connection
from pagi.server.options import ServerOptions
from pagi.server.process.lifespan import Lifespan, StartupFailed
from pagi.server.runtime import Listener
from pagi.testing.line import MemoryLine, RawConnection
from pagi.testing.runtime import HostedRuntime, HostedTask
from pagi.testing.served import Failures, ServiceUnderTest
from pagi.testing.virtual import VirtualRuntime

log = logging.getLogger("pagi.testing")

LEAVE_SECONDS = 1.0
"""How long leaving a session waits for the application to be done with it."""
CUT_SECONDS = 1.0
"""How long what was cancelled may take to end before it is left behind."""


class _Start:
    """What `Lifespan.run` reports to."""

    def __init__(self) -> None:
        self.decided = anyio.Event()
        self.failure: StartupFailed | None = None

    def started(self, value: None = None) -> None:
        self.decided.set()


class Run:
    """The application, served over memory from `start` to `end`. None of its tasks is the caller's, and neither is a cancel scope."""

    def __init__(self, app: AnyApp, options: ServerOptions, failures: Failures, *, virtual_clock: bool) -> None:
        self._clock = VirtualRuntime(failures.keep_own, self._tend) if virtual_clock else None
        self.runtime: HostedRuntime = self._clock or HostedRuntime(failures.keep_own)
        self.failures = failures
        self.tended: set[Callable[[], None]] = set()
        """What open sessions do while the clock is advanced."""
        self._options = options
        self._service = ServiceUnderTest(app, options, self.runtime, failures)
        if self._clock is not None:
            self._clock.sweep = self._service.begin_sweeps
        self._lifespan: Lifespan | None = None
        self._lifespan_task: HostedTask | None = None
        self._open: set[MemoryLine] = set()

    @property
    def state(self) -> dict[str, Any]:
        """What the lifespan left for the scopes."""
        return self._service.state

    def serve(self, app: AnyApp) -> None:
        """From now on exchanges are this application's; what began goes on as it is."""
        self._service.tested = self._service.present(app)

    async def start(self) -> None:
        """Starts the application.

        Raises:
            StartupFailed: it could not start.
        """
        try:
            await self._start_lifespan()
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self.runtime.end(CUT_SECONDS)
            raise
        self._service.start()

    async def end(self) -> str | None:
        """Ends everything: what is still open has until the deadline, then it is cut. Returns how the lifespan failed, if it did."""
        runtime, service = self.runtime, self._service
        failure: str | None = None
        # Shielded, and bounded by what it waits for: a test that is cancelled leaves no task behind either.
        with anyio.CancelScope(shield=True), runtime.following():
            for line in list(self._open):
                line.reset()
            if service.closing_deadline is None:
                service.begin_closing(runtime.now() + self._options.timeouts.graceful_seconds)
            deadline = service.closing_deadline or 0.0
            with anyio.move_on_after(deadline - runtime.now()):
                await service.quiet()
            if left := service.cut():
                log.warning("%d exchanges were still open when the client was left and the deadline had passed: they were cut", len(left))
                await runtime.cancel(left, CUT_SECONDS)
            failure = await self._end_lifespan(max(deadline - runtime.now(), CUT_SECONDS))
            service.stop()
        with anyio.CancelScope(shield=True):
            if stubborn := await runtime.end(CUT_SECONDS):
                log.error("%d tasks of the application ignore their cancellation and are left behind", stubborn)
        return failure

    def begin_closing(self, seconds: float) -> None:
        """Gives the closing signal, and cuts in so many seconds what is open then."""
        runtime, service = self.runtime, self._service
        deadline = runtime.now() + seconds
        service.begin_closing(deadline)

        async def cut() -> None:
            await runtime.cancel(service.cut(), CUT_SECONDS)

        def begin_to_cut() -> None:
            runtime.spawn(cut)

        runtime.at(deadline, begin_to_cut)

    def connect(self, peer: Peer) -> RawConnection:
        """A new connection.

        Raises:
            ConnectionRefusedError: the server was told to close.
        """
        service = self._service
        if service.closing_deadline is not None:
            raise ConnectionRefusedError("the server is closing and accepts no more connections")
        line = MemoryLine(self.runtime, service.options.flow)
        open_connection(service, line, peer)
        self._open = {line, *(other for other in self._open if not other.is_gone)}
        return RawConnection(line)

    async def settle(self, connection: Listener | None) -> None:
        """Gives the application a moment to be done with a connection that the test has left, then says how it failed."""
        if connection is not None:
            with self.runtime.following(), anyio.move_on_after(LEAVE_SECONDS):
                await self._service.gone(connection)
        self.failures.check()

    async def advance(self, seconds: float) -> None:
        """Moves the virtual clock on, then says how the application failed meanwhile.

        Raises:
            ConfigError: there is none.
        """
        if self._clock is None:
            raise ConfigError("the clock is the loop's, and goes by itself; TestClient(app, virtual_clock=True) has one to advance")
        await self._clock.advance(seconds)
        self.failures.check()

    # ---- inside

    def _tend(self) -> None:
        """What the clients do while the test is in `advance`: they read, as far as their buffers go."""
        for line in self._open:
            line.absorb()
        for tend in list(self.tended):
            tend()

    async def _start_lifespan(self) -> None:
        serve = self._options.serve
        if serve.lifespan == "off":
            return
        startup_seconds = self._options.timeouts.startup_seconds
        lifespan = Lifespan(self._service.tested, mode=serve.lifespan, startup_seconds=startup_seconds, state=self.state)
        start = _Start()

        async def run() -> None:
            try:
                await lifespan.run(task_status=start)
            except StartupFailed as error:
                start.failure = error
            finally:
                start.decided.set()

        self._lifespan, self._lifespan_task = lifespan, self.runtime.spawn(run)
        await start.decided.wait()
        if start.failure is not None:
            raise start.failure
        self.failures.check()

    async def _end_lifespan(self, seconds: float) -> str | None:
        """Ends what `_start_lifespan` began, and says how that failed."""
        if self._lifespan is None or self._lifespan_task is None:
            return None
        await self._lifespan.shutdown(seconds)
        with anyio.move_on_after(seconds):
            await self._lifespan_task.wait()
        return self._lifespan.shutdown_failure
