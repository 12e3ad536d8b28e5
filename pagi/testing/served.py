"""The service under test: the server's own, which also keeps what failed and knows when a connection is over for good."""

from typing import Any

from pagi.gateway.types import AnyApp
from pagi.server.options import ServerOptions
from pagi.server.service import Member, Service
from pagi.testing.line import Bell
from pagi.testing.runtime import HostedRuntime


class Failures:
    """What failed inside, until the test is told. Each is raised once, as it is."""

    def __init__(self, *, raise_app_exceptions: bool) -> None:
        self._raises = raise_app_exceptions
        self._kept: list[BaseException] = []
        self._seen: list[BaseException] = []

    def keep(self, error: BaseException) -> None:
        """Takes an error that an application failed with."""
        if self._raises and not any(error is seen for seen in self._seen):
            self._seen.append(error)
            self._kept.append(error)

    def keep_own(self, error: BaseException) -> None:
        """Takes an error that ended a task: never an ordinary failure of the application, so it is raised in any case."""
        self._seen.append(error)
        self._kept.append(error)

    def check(self) -> None:
        """Raises the oldest failure that the test has not seen."""
        if self._kept:
            raise self._kept.pop(0)


class ServiceUnderTest(Service):
    """A `Service` that says when a connection was forgotten."""

    def __init__(self, app: AnyApp, options: ServerOptions, runtime: HostedRuntime, failures: Failures) -> None:
        super().__init__(app, options, runtime)
        self.failures = failures.keep
        self.tested: AnyApp = self.app
        # Whether the application is marked was read from itself, just now; from here on it is called through us.
        self.app = self._call
        self._forgotten = Bell(runtime)

    async def _call(self, scope: Any, receive: Any, send: Any) -> None:
        """Calls the application, and looks for a failure that its framework logged and made an answer of."""
        try:
            await self.tested(scope, receive, send)
        finally:
            answered = scope.get("pagi.exception")
            if isinstance(answered, BaseException) and self.failures is not None:
                self.failures(answered)

    def forget(self, connection: Member) -> None:
        super().forget(connection)
        self._forgotten.ring()

    def begin_sweeps(self) -> None:
        """Sweeps now, and counts the next ones from now on: a deadline that begins now is met on time, not up to a sweep later."""
        self._sweep(self.runtime.now())
        self._sweeper.stop()
        self._sweeper.start()

    async def gone(self, connection: object) -> None:
        """Waits until the connection is lost and its last exchange is over."""
        while connection in self.connections:
            await self._forgotten.wait()
