"""The workers of a supervisor: as many as were asked for. Whoever died, fell silent or asks for it is replaced, the new before the old.

Knows processes by what they say and when they end; it decides about them, and does not wait.
"""

import logging
from collections.abc import Callable
from functools import partial
from signal import Signals

from pagi.server.process.channel import Beat, Failed, Order, Ready, Retire, Retiring, Status
from pagi.server.process.exit_codes import EXIT_CUT
from pagi.server.process.slots import Clock, Limits, Owner, Process, Slot, Worker, counted
from pagi.server.process.worker_process import TELL_WHERE, ending

log = logging.getLogger("pagi.server")

FIRST_DELAY_SECONDS = 0.5
MOST_DELAY_SECONDS = 30.0
"""Before a worker that died is started again: doubled each time that it could not start, or served for no longer than that."""
LETTING_GO_SECONDS = 2.5
"""From hanging up on a worker until it is killed. It cuts its work and ends by itself in less."""


class Fleet:
    """Keeps every slot filled from `begin` to `stop`."""

    def __init__(self, clock: Clock, start: Callable[[int], Process], limits: Limits, owner: Owner) -> None:
        self.slots: list[Slot] = []
        self.workers: list[Worker] = []
        """All processes, those that leave as well."""
        self.generation = 1
        """What workers that start now are marked with."""
        self.has_started = False
        self.was_cut = False
        """A worker had to be killed, or left work undone."""
        self._clock = clock
        self._start_process = start
        self._limits = limits
        self._owner = owner
        self._stopping = False
        self._looked_at = 0.0

    # ---- what the operator asks

    def begin(self, count: int) -> None:
        """Starts so many workers."""
        self.slots = [Slot(number) for number in range(1, count + 1)]
        for slot in self.slots:
            if not self._stopping:  # the one before may have failed at once
                self._start(slot)
        if self._limits.stall_seconds:
            self._looked_at = self._clock.now()
            self._look_for_silence()

    def grow(self) -> None:
        """One worker more."""
        if self._stopping:
            return
        slot = Slot(len(self.slots) + 1)
        self.slots.append(slot)
        log.info("one worker more, so %s", counted(len(self.slots)))
        self._start(slot)

    def shrink(self) -> None:
        """One worker fewer, but never none."""
        if self._stopping:
            return
        if len(self.slots) == 1:
            log.warning("the last worker stays")
            return
        slot = self.slots.pop()
        log.info("one worker fewer, so %s", counted(len(self.slots)))
        self._cancel(slot)
        if slot.serving is not None:
            self._retire(slot.serving)
        if slot.coming is not None:
            self._end(slot.coming)
        self._see_if_started()

    def replace(self, slot: Slot, *, insists: bool) -> None:
        """Starts a successor to who serves in this slot, who retires once it is ready. `insists`: as often as it takes."""
        slot.insists = insists
        if slot.coming is None and slot.restart is None:
            self._start(slot)

    def hurry(self) -> None:
        """Starts at once whoever is to be started again later."""
        for slot in self.slots:
            slot.delay = 0.0
            if slot.restart is not None and slot.restart.is_on:
                self._cancel(slot)
                self._start(slot)

    @property
    def serving(self) -> int:
        """Workers that serve, without those that retire."""
        return sum(slot.serving is not None for slot in self.slots)

    def ask(self, order: Order) -> None:
        """Says this to every worker that serves."""
        for slot in self.slots:
            if slot.serving is not None:
                slot.serving.process.send(order)

    def stop(self) -> None:
        """Has all workers end gracefully; nobody is replaced from now on."""
        self._stopping = True
        for slot in self.slots:
            self._cancel(slot)
        for worker in self.workers:
            self._end(worker)
        self._see_if_gone()

    def retire(self) -> None:
        """Like `stop`, for those whose work goes on elsewhere."""
        for slot in self.slots:
            if slot.serving is not None:
                self._retire(slot.serving)
        self.stop()

    def cut(self) -> None:
        """After `stop`: all workers leave their work."""
        for worker in self.workers:
            self.was_cut = True
            self._let_go(worker)

    # ---- what happens

    def reap(self) -> None:
        """A process ended, or several."""
        for worker in self.workers[:]:
            code = worker.process.poll()
            if code is not None:
                self._ended(worker, code)

    def _start(self, slot: Slot) -> None:
        slot.restart = None
        try:
            process = self._start_process(slot.number)
        except OSError as error:
            self._refused(slot, Failed(f"the system gave no process: {error.strerror}"))
            return
        now = self._clock.now()
        worker = slot.coming = Worker(process, slot, self.generation, now)
        self.workers.append(worker)
        self._clock.watch(process.channel, partial(self._listen, worker))
        if self._limits.boot_seconds:
            worker.limit = self._clock.at(now + self._limits.boot_seconds, partial(self._too_slow, worker))

    def _listen(self, worker: Worker) -> None:
        channel = worker.process.channel
        for word in channel.receive():
            worker.heard_at = self._clock.now()
            match word:
                case Ready():
                    self._ready(worker)
                case Beat():
                    if worker.is_silent:
                        worker.is_silent = False
                        log.warning("%s answers again", worker)
                case Failed():
                    worker.failure = word
                case Retiring():
                    if worker.slot.serving is worker and not worker.is_leaving:
                        log.info("%s wishes to be replaced: %s", worker, word.why)
                        self.replace(worker.slot, insists=True)
                case Status():
                    self._owner.told(worker, word)
        if channel.has_ended:
            self._let_go(worker)

    def _ready(self, worker: Worker) -> None:
        now = self._clock.now()
        worker.ready_at = now
        if worker.is_leaving:
            return
        if worker.limit is not None:
            worker.limit.cancel()
        slot = worker.slot
        log.info("%s is ready after %.2f s", worker, now - worker.began_at)
        before, slot.serving, slot.coming, slot.insists = slot.serving, worker, None, False
        if before is not None:
            self._retire(before)
        self._see_if_started()
        self._owner.fresh()

    def _ended(self, worker: Worker, code: int) -> None:
        if worker.watched:
            self._listen(worker)  # its last words
        self.workers.remove(worker)
        self._let_go(worker)
        if worker.limit is not None:
            worker.limit.cancel()
        slot = worker.slot
        if worker.is_leaving:
            level = logging.INFO if self.has_started else logging.DEBUG  # else the reason is told, and enough
            log.log(level, "%s ended%s", worker, "" if code == 0 else f" ({ending(code)})")
            self.was_cut = self.was_cut or (self._stopping and code == EXIT_CUT)
        elif slot.coming is worker:
            slot.coming = None
            self._refused(slot, worker.failure or Failed(f"it ended before it served ({ending(code)})"))
        else:
            slot.serving = None
            self._died(worker, code)
        self._see_if_gone()

    def _died(self, worker: Worker, code: int) -> None:
        slot = worker.slot
        served = self._clock.now() - (worker.ready_at or 0.0)
        if slot.coming is not None or slot.restart is not None:
            log.error("%s ended (%s); its successor is on the way", worker, ending(code))
            return
        if served > 2 * slot.delay or code == -Signals.SIGKILL:
            # That signal comes from outside: waiting longer helps nobody, and one who kills faster than that would have all wait.
            slot.delay = 0.0
        log.error("%s ended (%s), restarting in %g s", worker, ending(code), self._start_later(slot))
        self._owner.fresh()

    def _refused(self, slot: Slot, failure: Failed) -> None:
        if not self.has_started:
            self._owner.failed_to_start(failure)
            return
        if slot.serving is None or slot.insists:
            log.error("worker %d could not start: %s; trying again in %g s", slot.number, failure.reason, self._start_later(slot))
        else:
            log.error("worker %d could not start: %s", slot.number, failure.reason)
        self._owner.refused(slot, failure)

    def _start_later(self, slot: Slot) -> float:
        """Arranges another start. Returns how many seconds it is off."""
        slot.delay = min(max(2 * slot.delay, FIRST_DELAY_SECONDS), MOST_DELAY_SECONDS)
        slot.restart = self._clock.at(self._clock.now() + slot.delay, partial(self._start, slot))
        return slot.delay

    def _cancel(self, slot: Slot) -> None:
        if slot.restart is not None:
            slot.restart.cancel()
            slot.restart = None

    # ---- endings

    def _retire(self, worker: Worker) -> None:
        """Its place is taken: it ends when its work is done."""
        if worker.is_silent:
            worker.is_leaving = True
            log.error("%s is still silent and is killed", worker)
            worker.process.signal(Signals.SIGKILL)
        elif not worker.is_leaving:
            worker.process.send(Retire())
            self._expect_end(worker)

    def _end(self, worker: Worker) -> None:
        if not worker.is_leaving:
            worker.process.signal(Signals.SIGTERM)
            self._expect_end(worker)

    def _expect_end(self, worker: Worker) -> None:
        worker.is_leaving = True
        self._kill_at(worker, self._limits.end_seconds)

    def _kill_at(self, worker: Worker, seconds: float) -> None:
        if worker.limit is not None:
            worker.limit.cancel()
        worker.limit = self._clock.at(self._clock.now() + seconds, partial(self._kill, worker, seconds))

    def _kill(self, worker: Worker, seconds: float) -> None:
        log.warning("%s did not end within %g s and is killed", worker, seconds)
        self.was_cut = self.was_cut or self._stopping
        worker.process.signal(Signals.SIGKILL)

    def _too_slow(self, worker: Worker) -> None:
        worker.failure = Failed(f"it did not serve within {self._limits.boot_seconds:g} s; raise worker_boot_seconds if it needs longer")
        worker.process.signal(Signals.SIGKILL)

    def _let_go(self, worker: Worker) -> None:
        """Hangs up. Whoever is still there notices, and ends."""
        if worker.watched:
            worker.watched = False
            self._clock.forget(worker.process.channel)
            worker.process.let_go()
            if worker in self.workers:
                self._kill_at(worker, LETTING_GO_SECONDS)

    def _look_for_silence(self) -> None:
        now, most = self._clock.now(), self._limits.stall_seconds
        if now - self._looked_at > most / 2:
            # We stood still ourselves, and so did whoever was to be heard: stopped by a terminal, or with the whole machine.
            for each in self.workers:
                each.heard_at = now
        self._looked_at = now
        for slot in self.slots:
            worker = slot.serving
            if worker is not None and not worker.is_silent and now - worker.heard_at > most:
                worker.is_silent = True
                log.error("%s has been blocked for %.1f s and is to be replaced; this is where:", worker, now - worker.heard_at)
                worker.process.signal(TELL_WHERE)
                self.replace(slot, insists=True)
        if not self._stopping:
            self._clock.at(now + most / 10, self._look_for_silence)

    def _see_if_started(self) -> None:
        if not self.has_started and all(slot.serving is not None for slot in self.slots):
            self.has_started = True
            self._owner.started()

    def _see_if_gone(self) -> None:
        if self._stopping and not self.workers:
            self._owner.gone()
