"""The lifespan conversation (ASGI lifespan 2.0): started before the first accept, ended after the last exchange, by one task."""

import logging
from typing import Any

import anyio
from anyio.abc import TaskStatus

from pagi.gateway import grammar
from pagi.gateway.types import AnyApp, Message
from pagi.http.errors import PagiError
from pagi.server.exchanges.scope import ASGI_VERSIONS, PAGI_VERSIONS

log = logging.getLogger("pagi.server")


class StartupFailed(PagiError):
    """The application could not start: it said so, took too long, or declined where a lifespan was demanded."""


class Lifespan:
    """One run of the application's lifespan. `run` is its task; `shutdown` ends it.

    `mode`: `auto` serves an application that declines (raises or returns before it started) without one; `on` makes that fatal.
    `worker` is the number of this process among several.
    """

    def __init__(
        self,
        app: AnyApp,
        *,
        mode: str = "auto",
        startup_seconds: float = 60.0,
        state: dict[str, Any] | None = None,
        worker: int | None = None,
    ) -> None:
        self._app = app
        self._mode = mode
        self._startup_seconds = startup_seconds
        self.state: dict[str, Any] = {} if state is None else state
        self._versions = {**PAGI_VERSIONS, "is_worker": worker is not None, "worker_num": worker}
        self._progress = grammar.START["lifespan"]
        self._decided = anyio.Event()
        self._stop = anyio.Event()
        self._ended = anyio.Event()
        self._asked = 0
        self._failure: str | None = None
        self._declined: str | None = None
        self.shutdown_failure: str | None = None
        """What the application said of a shutdown that failed."""

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Holds the application's lifespan from start-up to the end of shutdown.

        Raises:
            StartupFailed: before it reported that it started; see the class.
        """
        failure: str | None = None
        scope = {"type": "lifespan", "asgi": ASGI_VERSIONS, "pagi": self._versions, "state": self.state}
        async with anyio.create_task_group() as group:
            group.start_soon(self._call, scope)
            with anyio.move_on_after(self._startup_seconds or None):
                await self._decided.wait()
            failure = self._why_not()
            if failure is None:
                task_status.started()
            else:
                group.cancel_scope.cancel()
        if failure is not None:
            raise StartupFailed(failure)

    async def shutdown(self, seconds: float) -> None:
        """Tells the application to end and waits so long for it. A failure is logged and kept, never raised."""
        self._stop.set()
        if self._progress != "started":
            return
        with anyio.move_on_after(seconds) as limit:
            await self._ended.wait()
        if limit.cancelled_caught:
            self.shutdown_failure = f"the lifespan did not end within {seconds:g} s"
            log.error("%s", self.shutdown_failure)

    def _why_not(self) -> str | None:
        """Why there is nothing to serve, once the application has decided; None where there is."""
        if not self._decided.is_set():
            return f"the lifespan did not start within {self._startup_seconds:g} s; raise startup_seconds if it needs longer"
        if self._failure is not None:
            return self._failure
        if self._declined is not None:
            if self._mode == "on":
                return f"the application has no lifespan ({self._declined}), and lifespan='on' demands one"
            log.info("the application has no lifespan (%s): served without", self._declined)
        return None

    async def _call(self, scope: dict[str, Any]) -> None:
        try:
            await self._app(scope, self._receive, self._send)
        except Exception as error:
            if self._progress == "start":
                # ASGI: raising means that the application does not know lifespans. The words go to the log.
                self._declined = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            elif self._progress == "started":
                log.error("the lifespan failed while serving", exc_info=error)
                self.shutdown_failure = str(error)
        else:
            if self._progress == "start":
                self._declined = "it returned at once"
        finally:
            self._decided.set()
            self._ended.set()

    async def _receive(self) -> Message:
        self._asked += 1
        if self._asked == 1:
            return {"type": "lifespan.startup"}
        await self._stop.wait()
        return {"type": "lifespan.shutdown"}

    async def _send(self, event: Message) -> None:
        grammar.check("lifespan", event)
        self._progress = grammar.advance("lifespan", self._progress, event)
        message = event.get("message") or "the application gave no reason"
        if event["type"] == "lifespan.startup.failed":
            self._failure = f"the lifespan failed to start: {message}"
        elif event["type"] == "lifespan.shutdown.failed":
            self.shutdown_failure = message
            log.error("the lifespan failed to end: %s", message)
        self._decided.set()
        if event["type"].startswith("lifespan.shutdown"):
            self._ended.set()
