"""Which core is whose: the servers on one, everything that asks on another."""

import os
from collections.abc import Generator
from contextlib import contextmanager

import msgspec


class Cores(msgspec.Struct, frozen=True):
    """One core for the servers, one for the load generators; the same where the machine has only one."""

    server: int
    load: int

    @property
    def shared(self) -> bool:
        return self.server == self.load


def choose_cores() -> Cores:
    """The lowest and the highest core that this process may use."""
    allowed = sorted(os.sched_getaffinity(0))
    return Cores(server=allowed[0], load=allowed[-1])


@contextmanager
def on_core(core: int) -> Generator[None]:
    """This thread, and every process started meanwhile, on one core. Children and their threads inherit it from their first instruction."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
