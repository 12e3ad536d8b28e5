"""The windows of a supervisor: whoever looks in is told what its workers answer. Nothing here waits for anybody."""

import logging
import socket
from functools import partial

import msgspec

from pagi.server.figures import ProcessReport
from pagi.server.process.channel import Ask, Status
from pagi.server.process.fleet import Fleet
from pagi.server.process.waiting import Appointment, Waiting
from pagi.server.process.window import PATIENCE_SECONDS, Visitor, Window, may_look
from pagi.server.process.windows import Windows

log = logging.getLogger("pagi.server")

READ_BYTES = 8 * 1024
MOST_VISITORS = 32
ANSWER_SECONDS = 1.0
"""How long workers may take to say how they are. One whose loop is blocked is missing then, which says enough."""
RETRY_SECONDS = 0.02


class Visit:
    """One connection to a window."""

    def __init__(self, window: Window, visiting: socket.socket, leave_at: Appointment) -> None:
        self.socket = visiting
        self.visitor = Visitor(window)
        self.leave_at = leave_at


class Visits:
    """Answers at all windows of one supervisor. `told` is to be called with what workers answer."""

    def __init__(self, waiting: Waiting, fleet: Fleet) -> None:
        self._waiting = waiting
        self._fleet = fleet
        self._windows: Windows | None = None
        self._open: set[Visit] = set()
        self._asking: list[Visit] = []
        """Those who wait for the workers' answers."""
        self._answers: dict[int, ProcessReport] = {}
        """What the workers said, by their process ids, since they were last asked."""
        self._answer_at: Appointment | None = None

    def open(self, windows: Windows) -> None:
        """Answers at these from now on."""
        self._windows = windows
        for window, listening in windows.sockets:
            self._waiting.watch(listening, partial(self._accept, window, listening))

    def told(self, status: Status) -> None:
        """A worker has said how it is."""
        try:
            answer = msgspec.convert(status.about, ProcessReport, str_keys=True)
        except msgspec.ValidationError as error:
            log.error("a worker's report makes no sense: %s", error)
            return
        self._answers[answer.pid] = answer
        if self._asking and len(self._answers) >= self._fleet.serving:
            self._answer()

    def close(self) -> None:
        """Nobody looks in any more."""
        for visit in list(self._open):
            self._end(visit)
        if self._windows is not None:
            for _, listening in self._windows.sockets:
                self._waiting.forget(listening)
            self._windows.close()
            self._windows = None

    # ---- inside

    def _accept(self, window: Window, listening: socket.socket) -> None:
        try:
            visiting, _ = listening.accept()
        except OSError:
            return  # gone again, or no descriptor is left: whoever asks tries again
        if len(self._open) >= MOST_VISITORS or (window is Window.CONTROL and not may_look(visiting)):
            visiting.close()
            return
        visiting.setblocking(False)
        visit = Visit(window, visiting, self._waiting.at(self._waiting.now() + PATIENCE_SECONDS, lambda: self._end(visit)))
        self._open.add(visit)
        self._waiting.watch(visiting, partial(self._read, visit))

    def _read(self, visit: Visit) -> None:
        try:
            visit.visitor.feed(visit.socket.recv(READ_BYTES))
        except BlockingIOError:
            return
        except OSError:
            self._end(visit)
            return
        if visit.visitor.has_asked:
            self._waiting.forget(visit.socket)
            self._ask(visit)

    def _ask(self, visit: Visit) -> None:
        self._asking.append(visit)
        if len(self._asking) == 1:
            self._answers.clear()
            self._answer_at = self._waiting.at(self._waiting.now() + ANSWER_SECONDS, self._answer)
            self._fleet.ask(Ask("status"))
            if not self._fleet.serving:
                self._answer()

    def _answer(self) -> None:
        if self._answer_at is not None:
            self._answer_at.cancel()
            self._answer_at = None
        asking, self._asking = self._asking, []
        reports = list(self._answers.values())
        for visit in asking:
            if visit in self._open:
                self._send(visit, memoryview(visit.visitor.answer(reports)))

    def _send(self, visit: Visit, rest: memoryview) -> None:
        if visit not in self._open:
            return  # its time is over
        try:
            while rest:
                rest = rest[visit.socket.send(rest) :]
        except BlockingIOError:
            self._waiting.at(self._waiting.now() + RETRY_SECONDS, lambda: self._send(visit, rest))
            return
        except OSError:
            pass  # it has gone, and so does the visit
        self._end(visit)

    def _end(self, visit: Visit) -> None:
        if visit not in self._open:
            return
        self._open.discard(visit)
        visit.leave_at.cancel()
        if not visit.visitor.has_asked:
            self._waiting.forget(visit.socket)
        visit.socket.close()
