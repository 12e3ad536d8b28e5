"""The windows of a process that has no supervisor: looked after by its own loop, beside the server."""

import contextlib
import socket

import anyio

from pagi.server.process.window import PATIENCE_SECONDS, Visitor, Window, may_look
from pagi.server.process.windows import Windows
from pagi.server.report import report
from pagi.server.server import Server

READ_BYTES = 8 * 1024
MOST_VISITORS = 16
"""Answered at the same time; more wait."""


async def let_look_in(server: Server, windows: Windows) -> None:
    """Answers whoever looks in, until cancelled."""
    async with anyio.create_task_group() as group:
        room = anyio.CapacityLimiter(MOST_VISITORS)
        for window, opened in windows.sockets:
            group.start_soon(_accept, server, window, opened, room)


async def _accept(server: Server, window: Window, listening: socket.socket, room: anyio.CapacityLimiter) -> None:
    async with anyio.create_task_group() as group:
        while True:
            await anyio.wait_readable(listening)
            await room.acquire_on_behalf_of(visit := object())
            try:
                visiting, _ = listening.accept()
            except OSError:  # gone again, or no descriptor is left: whoever asks tries again
                room.release_on_behalf_of(visit)
                await anyio.sleep(0.1)
                continue
            group.start_soon(_answer, server, window, visiting, room, visit)


async def _answer(server: Server, window: Window, visiting: socket.socket, room: anyio.CapacityLimiter, visit: object) -> None:
    try:
        visiting.setblocking(False)
        with visiting, anyio.move_on_after(PATIENCE_SECONDS), contextlib.suppress(OSError):
            if window is Window.CONTROL and not may_look(visiting):
                return
            visitor = Visitor(window)
            while not visitor.has_asked:
                await anyio.wait_readable(visiting)
                visitor.feed(visiting.recv(READ_BYTES))
            answer = memoryview(visitor.answer([report(server.service)] if server.service is not None else []))
            while answer:
                await anyio.wait_writable(visiting)
                answer = answer[visiting.send(answer) :]
    finally:
        room.release_on_behalf_of(visit)
