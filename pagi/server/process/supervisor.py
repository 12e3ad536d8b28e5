"""The process above the workers: it holds their sockets and starts, replaces and ends them. It imports no application and runs no loop."""

import logging
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import msgspec

from pagi.http.errors import ConfigError
from pagi.server.options import ServerOptions
from pagi.server.process.channel import Failed, Orders, ReopenLogs, Status
from pagi.server.process.daemon import let_streams_go, tell
from pagi.server.process.exit_codes import EXIT_CLEAN, EXIT_CUT, EXIT_START
from pagi.server.process.fleet import Fleet
from pagi.server.process.listeners import Listeners, address_of
from pagi.server.process.pid_file import PidFile
from pagi.server.process.replacing import Replacing, take_over
from pagi.server.process.rolling import Roll
from pagi.server.process.shares import Shares
from pagi.server.process.slots import Limits, Slot, Worker, counted
from pagi.server.process.systemd import ServiceManager
from pagi.server.process.terminal import Terminal
from pagi.server.process.unix_files import UnixFile
from pagi.server.process.visits import Visits
from pagi.server.process.waiting import Waiting
from pagi.server.process.windows import open_windows
from pagi.server.process.worker_process import Program, WorkerProcess

log = logging.getLogger("pagi.server")

MARGIN_SECONDS = 8.0
"""Beyond the graceful end: for what is cut then, the end of the lifespan, and the process itself. Only then is a worker killed."""


TAKING_OVER_SECONDS = 10.0
TAKING_OVER_POLL_SECONDS = 0.1
"""How long, and how often, the windows of a predecessor are tried."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a supervisor is to do, and what it was given for that."""

    options: ServerOptions
    workers: int
    sockets: list[int]
    """Descriptors that listen."""
    files: list[UnixFile]
    """Of the Unix sockets among them that were bound by us."""
    program: Program
    """What is run as a worker."""
    application: msgspec.Raw
    command: list[str]
    """What started us, for a successor."""
    pid_file: int | None = None
    """The descriptor of the locked file."""
    waits: int | None = None
    """Where a process waits for the exit code that our start amounts to (see `daemon`)."""
    word: int | None = None
    """Where our predecessor waits for us to serve (see `replacing`)."""
    in_charge: int | None = None
    """Where process 1 is told whom to hand signals to."""


class Supervisor:
    """Keeps an application served. `run` is its life.

    `waiting` takes further descriptors and appointments: whatever else this process is to look after.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.waiting = Waiting()
        self.listeners = Listeners(socket.socket(fileno=descriptor) for descriptor in plan.sockets)
        self.listeners.files += plan.files
        self.fleet = Fleet(self.waiting, self._start_worker, limits(plan.options), self)
        self.roll = Roll(self.fleet)
        self.visits = Visits(self.waiting, self.fleet)
        self._shares = Shares.made()
        self._places: dict[int, int] = {}
        """Of each worker, by its process id."""
        self.manager = ServiceManager(os.environ)
        environment = {name: value for name, value in os.environ.items() if name != "WATCHDOG_PID"}  # it will be the main process
        self.replacing = Replacing(self.waiting, plan.command, environment, self._hand_over)
        path = plan.options.processes.pid_file
        self._pid_file = PidFile(Path(path), plan.pid_file) if path is not None and plan.pid_file is not None else None
        self._terminal = Terminal()
        self._waits = plan.waits
        self._interrupts = 0
        self._is_stopping = False
        self._is_over = False
        self._is_in_charge = plan.word is None
        """The files of Unix sockets are ours: before, they are our predecessor's, and after, our successor's."""
        self._code = EXIT_CLEAN

    def run(self) -> int:
        """Serves until INT or TERM, and returns the exit code."""
        waiting = self.waiting
        waiting.obey(signal.SIGCHLD, self._reap)
        waiting.obey(signal.SIGTERM, self.stop)
        waiting.obey(signal.SIGINT, self._interrupted)
        waiting.obey(signal.SIGHUP, self._hung_up)
        waiting.obey(signal.SIGUSR1, self.reopen_logs)
        waiting.obey(signal.SIGUSR2, self.replace)
        waiting.obey(signal.SIGTTIN, self.fleet.grow)
        waiting.obey(signal.SIGTTOU, self.fleet.shrink)
        if self._pid_file is not None and self._is_in_charge:
            self._pid_file.write()
        if self._is_in_charge and not self._open_windows():
            self._code = EXIT_START
            self._leave()
            return self._code
        self.fleet.begin(self.plan.workers)
        while not self._is_over:
            waiting.turn()
        self._leave()
        return self._code or (EXIT_CUT if self.fleet.was_cut else EXIT_CLEAN)

    def stop(self) -> None:
        """Ends all gracefully. Nobody new is let in."""
        if not self._is_stopping:
            log.info("stopping %s", counted(len(self.fleet.workers)))
            self.manager.stopping()
            self.replacing.call_off()
            self._begin_end()
            self.fleet.stop()

    def reload(self) -> None:
        """Has every worker replaced by one that loads what is there now."""
        if not self._is_stopping:
            self.manager.reloading()
            self.roll.begin()

    def reopen_logs(self) -> None:
        """Has every worker go on in the file that bears the access log's name now."""
        self.fleet.ask(ReopenLogs())

    def replace(self) -> None:
        """Has another supervisor take over, started as this one was."""
        if self._is_stopping or not self.fleet.has_started:
            log.warning("not replaced: the workers %s", "are ending" if self._is_stopping else "do not all serve yet")
            return
        also = [] if self.plan.in_charge is None else [self.plan.in_charge]
        self.replacing.begin(self.plan.options.listen, self.plan.sockets, self.plan.files, self.plan.pid_file, also)

    # ---- what the fleet tells

    def started(self) -> None:
        waiting = self.waiting
        scheme = "http" if self.plan.options.tls.ssl_certfile is None else "https"
        where = ", ".join(address_of(opened, scheme) for opened in self.listeners.sockets)
        log.info("listening on %s: %s", where, counted(len(self.fleet.slots)))
        self._is_in_charge = True
        if self._pid_file is not None:
            self._pid_file.write()
        if self.plan.in_charge is not None:
            with suppress(OSError):
                os.write(self.plan.in_charge, b"%d\n" % os.getpid())
        if self.plan.word is not None:
            take_over(self.plan.word)
            self._open_windows_when_free(waiting.now() + TAKING_OVER_SECONDS)
        self.manager.ready()
        if self.manager.watchdog_seconds is not None:
            self._stay_alive(self.manager.watchdog_seconds)
        if self._waits is not None:
            let_streams_go()
            self._tell_who_waits(EXIT_CLEAN)

    def failed_to_start(self, failure: Failed) -> None:
        if not self._code:
            self._code = failure.code
            self._show(failure)
            log.error("%s", failure.reason)
            self._begin_end()
            self.fleet.retire()

    def fresh(self) -> None:
        if self.roll.go_on():
            self.manager.ready()

    def refused(self, slot: Slot, failure: Failed) -> None:
        self._show(failure)
        if self.roll.refused(slot):
            self.manager.ready()

    def told(self, worker: Worker, status: Status) -> None:
        self.visits.told(status)

    def gone(self) -> None:
        self._is_over = True

    # ---- inside

    def _start_worker(self, number: int) -> WorkerProcess:
        plan = self.plan
        options = msgspec.structs.replace(plan.options, processes=plan.options.processes.of_one())
        place = self._shares.free_place(self._places.values())
        orders = Orders(
            number=number,
            options=options,
            sockets=plan.sockets,
            shares=self._shares.descriptor if place else None,
            place=place,
            application=plan.application,
        )
        worker = WorkerProcess(plan.program, orders, [*plan.sockets, self._shares.descriptor], stdin=subprocess.DEVNULL)
        self._places[worker.pid] = place
        return worker

    def _reap(self) -> None:
        self.fleet.reap()
        living = {worker.process.pid for worker in self.fleet.workers}
        for pid in self._places.keys() - living:
            self._shares.clear(self._places.pop(pid))
        self.replacing.reap()

    def _interrupted(self) -> None:
        self._interrupts += 1
        self.stop()
        if self._interrupts > 1:
            log.warning("interrupted twice: cutting what is open")
            self.fleet.cut()

    def _hung_up(self) -> None:
        if self._terminal.is_gone:
            self.stop()
        else:
            self.reload()

    def _hand_over(self, pid: int) -> None:
        log.info("process %d serves: the workers here retire", pid)
        self._is_in_charge = False
        self.visits.close()  # our successor waits for their addresses
        self.manager.main_process(pid)
        self._begin_end()
        self.fleet.retire()

    def _begin_end(self) -> None:
        self._is_stopping = True
        for opened in self.listeners.sockets:
            opened.close()

    def _stay_alive(self, seconds: float) -> None:
        if self._is_in_charge:
            self.manager.alive()
            self.waiting.at(self.waiting.now() + seconds, lambda: self._stay_alive(seconds))

    def _open_windows(self, *, fails: bool = True) -> bool:
        """Lets look in whoever may. Returns whether that can be; it is an error unless it need not yet be."""
        try:
            windows = open_windows(self.plan.options.watch)
        except ConfigError as error:
            if fails:
                log.error("%s", error)
            return False
        if windows.sockets:
            log.info("open to whoever may look in: %s", windows)
            self.visits.open(windows)
        return True

    def _open_windows_when_free(self, until: float) -> None:
        """Our predecessor closes its own when it hears that we serve."""
        now = self.waiting.now()
        if not self._is_stopping and not self._open_windows(fails=now >= until) and now < until:
            self.waiting.at(now + TAKING_OVER_POLL_SECONDS, lambda: self._open_windows_when_free(until))

    def _leave(self) -> None:
        self.visits.close()
        if not self._is_in_charge:
            self.listeners.keep_files()
        try:
            self.listeners.close()
        except OSError as error:
            log.warning("%s is left behind: %s", error.filename, error.strerror)
        if self._pid_file is not None:
            self._pid_file.remove() if self._pid_file.is_ours else self._pid_file.let_go()
        self._tell_who_waits(self._code)

    def _tell_who_waits(self, code: int) -> None:
        if self._waits is not None:
            tell(self._waits, code)
            self._waits = None

    def _show(self, failure: Failed) -> None:
        if failure.details:
            sys.stderr.write(f"{failure.details}\n")
            sys.stderr.flush()


def limits(options: ServerOptions) -> Limits:
    """How long a worker may take for what the options allow it to do. One budget: it is killed only after all of its own deadlines."""
    boot, startup = options.processes.worker_boot_seconds, options.timeouts.startup_seconds
    return Limits(
        boot_seconds=boot + startup if boot and startup else 0.0,
        stall_seconds=options.processes.worker_stall_seconds,
        end_seconds=options.timeouts.shutdown_delay_seconds + options.timeouts.graceful_seconds + MARGIN_SECONDS,
    )
