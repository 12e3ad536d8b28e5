"""Work that outlives the exchange it was begun in: owned by the task of the lifespan, and over when the application is."""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Self

import anyio
from anyio.abc import TaskGroup

from pagi.gateway.annotations import name_of
from pagi.http.errors import AppError

log = logging.getLogger("pagi")

GRACE_SECONDS = 10.0
"""How long tasks may go on when the application ends."""


class TasksEnded(AppError):
    """A task was to begin when the application was ending already."""


class Tasks:
    """Starts work in the background. Handlers ask for it by its type: `tasks: Tasks`.

    A task that fails is logged, and no other hears of it. When the application ends, tasks have `grace_seconds` to come to
    their own end; what is left is cancelled.
    """

    def __init__(self, group: TaskGroup) -> None:
        self._group = group
        self._running = 0
        self._quiet = anyio.Event()
        self._is_ending = False

    @classmethod
    @asynccontextmanager
    async def running(cls, *, grace_seconds: float = GRACE_SECONDS) -> AsyncGenerator[Self]:
        """Tasks for as long as the block lasts, and then until they ended."""
        async with anyio.create_task_group() as group:
            tasks = cls(group)
            try:
                yield tasks
            finally:
                await tasks.end(grace_seconds)

    @property
    def running_count(self) -> int:
        """How many tasks have not ended."""
        return self._running

    def start_soon(self, function: Callable[..., Awaitable[Any]], /, *args: Any, name: str | None = None) -> None:
        """Runs `await function(*args)` in a task of its own; `name` is how logs call it.

        Raises:
            TasksEnded: the application is ending.
        """
        called = name or name_of(function)
        if self._is_ending:
            raise TasksEnded(f"task {called} cannot begin: the application is ending; do it before, or in the lifespan's own cleanup")
        self._running += 1
        self._group.start_soon(self._run, function, args, called, name=called)

    async def end(self, grace_seconds: float) -> None:
        """Waits for what runs, and cancels what is left when the grace is over."""
        self._is_ending = True
        if self._running:
            with anyio.move_on_after(grace_seconds):
                await self._quiet.wait()
        if self._running:
            log.warning("%d tasks had not ended after %g s, and are cancelled", self._running, grace_seconds)
            self._group.cancel_scope.cancel()

    async def _run(self, function: Callable[..., Awaitable[Any]], args: tuple[Any, ...], called: str) -> None:
        try:
            await function(*args)
        except Exception as error:
            log.error("task %s failed: %s", called, error, exc_info=error)
        finally:
            self._running -= 1
            if self._is_ending and not self._running:
                self._quiet.set()
