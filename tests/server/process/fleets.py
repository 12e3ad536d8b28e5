"""A fleet whose workers are fakes and whose clock is turned by hand. The channels between them are real."""

import socket
from collections.abc import Callable
from signal import Signals

from pagi.server.process.channel import Beat, Channel, Failed, Order, Ready, Retire, Status, Word
from pagi.server.process.fleet import Fleet
from pagi.server.process.rolling import Roll
from pagi.server.process.slots import Limits, Slot, Worker
from pagi.server.process.waiting import Appointment, Readable

SCENES: "list[Scene]" = []
"""Those of the running test, which are closed after it."""
LIMITS = Limits(boot_seconds=100.0, stall_seconds=30.0, end_seconds=40.0)


class HandClock:
    """Keeps appointments when the test says that time has passed."""

    def __init__(self) -> None:
        self.time = 1000.0
        self._due: list[tuple[float, Appointment]] = []
        self.watched: dict[int, Callable[[], None]] = {}

    def now(self) -> float:
        return self.time

    def at(self, when: float, call: Callable[[], None]) -> Appointment:
        appointment = Appointment(call)
        self._due.append((when, appointment))
        return appointment

    def watch(self, source: Readable, call: Callable[[], None]) -> None:
        self.watched[source.fileno()] = call

    def forget(self, source: Readable) -> None:
        del self.watched[source.fileno()]

    def advance(self, seconds: float) -> None:
        """So many seconds pass."""
        end = self.time + seconds
        while True:
            self._due = sorted((pair for pair in self._due if pair[1].is_on), key=lambda pair: pair[0])
            if not self._due or self._due[0][0] > end:
                break
            when, appointment = self._due.pop(0)
            self.time = max(self.time, when)
            appointment.keep()
        self.time = max(self.time, end)

    def stand_still(self, seconds: float) -> None:
        """So many seconds pass in which nobody is called, as when the process is stopped."""
        self.time += seconds
        self.advance(0)


class FakeProcess:
    """A worker's process that says and does what the test wants."""

    def __init__(self, number: int, pid: int, clock: HandClock) -> None:
        self.number = number
        self.pid = pid
        self.code: int | None = None
        self.signals: list[Signals] = []
        self.orders: list[Order] = []
        self.let_gone = False
        self._clock = clock
        ours, theirs = socket.socketpair()
        self.channel = Channel[Word](ours, Word)
        self._inside = Channel[Order](theirs, Order)

    def send(self, order: Order) -> None:
        self.orders.append(order)

    def signal(self, number: Signals) -> None:
        self.signals.append(number)

    def poll(self) -> int | None:
        return self.code

    def let_go(self) -> None:
        self.let_gone = True
        self.channel.close()

    def say(self, word: Word) -> None:
        """A word from inside."""
        self._inside.send(word)
        call = self._clock.watched.get(self.channel.fileno())
        if call is not None:
            call()

    def hang_up(self) -> None:
        """Its end of the channel closes."""
        self._inside.close()

    def close(self) -> None:
        """Nothing of it is needed any more."""
        self.channel.close()
        self._inside.close()

    def retires(self) -> bool:
        """It was told to retire."""
        return Retire() in self.orders


class Scene:
    """A fleet, its owner and its roll, as a supervisor has them."""

    def __init__(self, limits: Limits = LIMITS) -> None:
        self.clock = HandClock()
        self.processes: list[FakeProcess] = []
        self.fleet = Fleet(self.clock, self._start, limits, self)
        self.roll = Roll(self.fleet)
        self.starts = self.ends = 0
        """How often the fleet said that it has started, and that it is gone."""
        self.failures: list[Failed] = []
        self.refusals: list[Failed] = []
        self.statuses: list[tuple[int, Status]] = []
        self.out_of_processes = False
        SCENES.append(self)

    def _start(self, number: int) -> FakeProcess:
        if self.out_of_processes:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        process = FakeProcess(number, 100 + len(self.processes), self.clock)
        self.processes.append(process)
        return process

    # ---- what the fleet tells

    def started(self) -> None:
        self.starts += 1

    def failed_to_start(self, failure: Failed) -> None:
        self.failures.append(failure)

    def fresh(self) -> None:
        self.roll.go_on()

    def refused(self, slot: Slot, failure: Failed) -> None:
        self.refusals.append(failure)
        self.roll.refused(slot)

    def told(self, worker: Worker, status: Status) -> None:
        self.statuses.append((worker.slot.number, status))

    def gone(self) -> None:
        self.ends += 1

    # ---- what the test does

    @property
    def last(self) -> FakeProcess:
        """Who was started last."""
        return self.processes[-1]

    @property
    def serving(self) -> list[int]:
        """Who serves, by process id, in the order of the slots; 0 for nobody."""
        return [slot.serving.process.pid if slot.serving else 0 for slot in self.fleet.slots]

    def begin(self, count: int) -> "Scene":
        """So many workers start, and serve."""
        self.fleet.begin(count)
        for process in self.processes[:]:
            process.say(Ready())
        return self

    def end(self, process: FakeProcess, code: int) -> None:
        """It ends."""
        process.code = code
        process.hang_up()
        self.fleet.reap()

    def beat(self, seconds: float, but: FakeProcess | None = None) -> None:
        """So much time passes, in which everybody but one shows that its loop turns."""
        while seconds > 0:
            step = min(seconds, 5.0)
            self.clock.advance(step)
            seconds -= step
            for process in self.processes:
                if process.code is None and process is not but and not process.let_gone:
                    process.say(Beat())
