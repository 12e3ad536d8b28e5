"""Listening sockets with any loop that anyio knows: accepts, and starts what reads each connection."""

import socket

import anyio
from anyio.abc import TaskGroup, TaskStatus

from pagi.server.service import Service
from pagi.server.transports.accepting import OPENING_SECONDS, Acceptor, Pause
from pagi.server.transports.anyio import AnyioRuntime, SocketLine
from pagi.server.transports.arrival import Arrival


class AnyioTransport:
    """Accepts on listening sockets with any loop that anyio knows. Made by `open`."""

    def __init__(self, clockwork: TaskGroup, work: TaskGroup) -> None:
        self._clockwork = clockwork
        self._work = work
        self._acceptors: list[Acceptor] = []
        self._opening = 0
        """Accepted connections whose first task has not yet begun."""
        self._opened = anyio.Event()
        self.runtime = AnyioRuntime(clockwork, work)

    @classmethod
    async def open(cls, group: TaskGroup) -> "AnyioTransport":
        """A transport whose tasks live in `group`. Exchanges get a group of their own inside, which alone is cut at the deadline."""
        return cls(group, await group.start(_hold_group))

    async def listen(self, service: Service, sockets: list[socket.socket]) -> None:
        """Accepts from now on."""
        self._service = service
        self._acceptors = [Acceptor(listening, service.gives_way) for listening in sockets]
        for acceptor in self._acceptors:
            self._clockwork.start_soon(self._accept, acceptor)

    async def stop_listening(self, *, take_waiting: bool) -> None:
        """Accepts nothing more, and closes the listening sockets. Open connections stay.

        With `take_waiting` those that the system holds ready are taken first: closing the socket would reset them.
        """
        for acceptor in self._acceptors:
            anyio.notify_closing(acceptor.listening)
            for accepted in acceptor.waiting() if take_waiting else ():
                self._begin(accepted)
            acceptor.listening.close()
        with anyio.move_on_after(OPENING_SECONDS):
            while self._opening:
                self._opened = anyio.Event()
                await self._opened.wait()

    async def _accept(self, acceptor: Acceptor) -> None:
        while True:
            try:
                await anyio.wait_readable(acceptor.listening)
                accepted = acceptor.accept()
            except Pause as pause:
                await anyio.sleep(pause.seconds)
                accepted = None
            except anyio.ClosedResourceError:
                return
            if accepted is not None:
                self._begin(accepted)
            elif acceptor.is_closed:
                return

    def _begin(self, accepted: socket.socket) -> None:
        if self._service.announcers is not None:
            self._work.start_soon(self._arrive, accepted, Arrival(self._service, accepted))
            return
        self._opening += 1
        self._work.start_soon(self._open, accepted)

    async def _arrive(self, accepted: socket.socket, arrival: Arrival) -> None:
        peer = await arrival.peer()
        if peer is not None:
            line = self._line(accepted)
            if line.begin(peer):
                await line.read()

    async def _open(self, accepted: socket.socket) -> None:
        line = self._line(accepted)
        try:
            is_open = line.begin()
        finally:
            self._opening -= 1
            if not self._opening:
                self._opened.set()
        if is_open:
            await line.read()

    def _line(self, accepted: socket.socket) -> SocketLine:
        return SocketLine(self._service, self.runtime, self._clockwork, self._work, accepted)


async def _hold_group(*, task_status: TaskStatus[TaskGroup]) -> None:
    async with anyio.create_task_group() as held:
        task_status.started(held)
        await anyio.sleep_forever()
