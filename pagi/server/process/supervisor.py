"""The process above the workers: it holds their sockets and starts, replaces and ends them. It imports no application and runs no loop."""

import logging
import signal
import socket
import sys

import msgspec

from pagi.server.options import ServerOptions
from pagi.server.process.channel import Failed, Orders, Status
from pagi.server.process.exit_codes import EXIT_CLEAN, EXIT_CUT
from pagi.server.process.fleet import Fleet, Limits, Slot, Worker
from pagi.server.process.listeners import address_of
from pagi.server.process.rolling import Roll
from pagi.server.process.waiting import Waiting
from pagi.server.process.worker_process import Program, WorkerProcess

log = logging.getLogger("pagi.server")

MARGIN_SECONDS = 8.0
"""Beyond the graceful end: for what is cut then, the end of the lifespan, and the process itself. Only then is a worker killed."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a supervisor is to do."""

    options: ServerOptions
    workers: int
    sockets: list[int]
    """Descriptors that listen."""
    program: Program
    application: msgspec.Raw


class Supervisor:
    """Keeps an application served. `run` is its life.

    `waiting` takes further descriptors and appointments: whatever else this process is to look after.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.waiting = Waiting()
        self.sockets = [socket.socket(fileno=descriptor) for descriptor in plan.sockets]
        options = plan.options
        boot = options.processes.worker_boot_seconds
        startup = options.timeouts.startup_seconds
        limits = Limits(
            boot_seconds=boot + startup if boot and startup else 0.0,
            stall_seconds=options.processes.worker_stall_seconds,
            end_seconds=options.timeouts.graceful_seconds + MARGIN_SECONDS,
        )
        self.fleet = Fleet(self.waiting, self._start_worker, limits, self)
        self.roll = Roll(self.fleet)
        self._interrupts = 0
        self._is_stopping = False
        self._is_over = False
        self._code = EXIT_CLEAN

    def run(self) -> int:
        """Serves until INT or TERM, and returns the exit code."""
        waiting = self.waiting
        waiting.obey(signal.SIGCHLD, self.fleet.reap)
        waiting.obey(signal.SIGTERM, self.stop)
        waiting.obey(signal.SIGINT, self._interrupted)
        waiting.obey(signal.SIGHUP, self.roll.begin)
        waiting.obey(signal.SIGTTIN, self.fleet.grow)
        waiting.obey(signal.SIGTTOU, self.fleet.shrink)
        self.fleet.begin(self.plan.workers)
        while not self._is_over:
            waiting.turn()
        waiting.close()
        return self._code or (EXIT_CUT if self.fleet.was_cut else EXIT_CLEAN)

    def stop(self) -> None:
        """Ends all gracefully. Nobody new is let in."""
        if not self._is_stopping:
            self._is_stopping = True
            log.info("stopping %d workers", len(self.fleet.workers))
            for opened in self.sockets:
                opened.close()
            self.fleet.stop()

    # ---- what the fleet tells

    def started(self) -> None:
        log.info("listening on %s, with %d workers", ", ".join(map(address_of, self.sockets)), len(self.fleet.slots))

    def failed_to_start(self, failure: Failed) -> None:
        if not self._code:
            self._code = failure.code
            self._show(failure)
            log.error("%s", failure.reason)
            self.stop()

    def fresh(self) -> None:
        self.roll.go_on()

    def refused(self, slot: Slot, failure: Failed) -> None:
        self._show(failure)
        self.roll.refused(slot)

    def told(self, worker: Worker, status: Status) -> None:
        """Nobody asks yet."""

    def gone(self) -> None:
        self._is_over = True

    # ---- inside

    def _start_worker(self, number: int) -> WorkerProcess:
        plan = self.plan
        orders = Orders(number=number, options=plan.options, sockets=plan.sockets, application=plan.application)
        return WorkerProcess(plan.program, orders, self.sockets)

    def _interrupted(self) -> None:
        self._interrupts += 1
        self.stop()
        if self._interrupts > 1:
            log.warning("interrupted twice: cutting what is open")
            self.fleet.cut()

    def _show(self, failure: Failed) -> None:
        if failure.details:
            sys.stderr.write(f"{failure.details}\n")
            sys.stderr.flush()
