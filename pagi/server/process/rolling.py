"""HUP: new code by new processes, one after another, each new one before its old one. The first that cannot start ends it."""

import logging

from pagi.server.process.fleet import Fleet
from pagi.server.process.slots import Slot, counted

log = logging.getLogger("pagi.server")


class Roll:
    """Replaces the workers of a fleet that started before the last `begin`."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._oldest = 0
        """The oldest generation that may stay; 0 while nothing is rolling."""

    @property
    def is_on(self) -> bool:
        """Workers are being replaced, or will be once all have started."""
        return self._oldest > 0

    def begin(self) -> None:
        """Replaces all workers. While this goes on already, it begins again after that."""
        log.info("rolling: it begins again with what is there now" if self.is_on else "rolling: every worker is replaced by a new one")
        self._fleet.generation += 1
        self._oldest = self._fleet.generation
        self._fleet.hurry()
        self.go_on()

    def go_on(self) -> bool:
        """Replaces the next one, if nothing else is under way. Returns whether that was the end of it."""
        if not self.is_on or not self._fleet.has_started:
            return False
        if any(slot.coming is not None for slot in self._fleet.slots):
            return False
        for slot in self._fleet.slots:
            if slot.serving is not None and slot.serving.generation < self._oldest:
                self._fleet.replace(slot, insists=False)
                return False
        self._oldest = 0
        log.info("rolled: %s", counted(len(self._fleet.slots)))
        return True

    def refused(self, slot: Slot) -> bool:
        """A successor could not start: what is new is broken. Returns whether that ended a roll."""
        if not self.is_on:
            return False
        if slot.serving is None:  # it was nobody's successor, and is tried again anyway
            return self.go_on()
        self._oldest = 0
        log.error("the roll stops here: the workers that are left of the old go on serving")
        return True
