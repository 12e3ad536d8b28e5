"""A look into a running process: what is open now, and what was served. Plain values, to be sent to whoever asks."""

import os

import msgspec

from pagi.server.figures import Figures, OpenExchange
from pagi.server.service import Service

MOST_SHOWN = 1000
"""Exchanges in one report; the rest is only counted."""


class ProcessReport(msgspec.Struct, frozen=True, kw_only=True):
    """One process at one moment."""

    pid: int
    worker: int
    """Its place among the workers, from 1; 0 without a supervisor."""
    seconds: float
    """Since it began to serve."""
    is_leaving: bool
    connections: int
    idle: int
    """Of these: connections without an exchange."""
    open: dict[str, int]
    """Exchanges by kind."""
    buffered_bytes: int
    resident_bytes: int
    """Memory of the process; 0 where the system does not say."""
    exchanges: list[OpenExchange]
    """The oldest first, at most `MOST_SHOWN`."""
    figures: Figures


def report(service: Service, worker: int = 0) -> ProcessReport:
    """The process of `service` as it is now."""
    now = service.runtime.now()
    exchanges: list[OpenExchange] = []
    idle = 0
    for connection in list(service.connections):
        going_on = connection.look(now)
        idle += not going_on
        exchanges += going_on
    counts: dict[str, int] = {}
    for each in exchanges:
        counts[each.kind] = counts.get(each.kind, 0) + 1
    exchanges.sort(key=lambda each: -each.seconds)
    return ProcessReport(
        pid=os.getpid(),
        worker=worker,
        seconds=round(now - service.began, 3),
        is_leaving=service.is_leaving,
        connections=len(service.connections),
        idle=idle,
        open=counts,
        buffered_bytes=sum(each.buffered_bytes for each in exchanges),
        resident_bytes=_resident_bytes(),
        exchanges=exchanges[:MOST_SHOWN],
        figures=service.figures or Figures(),
    )


def _resident_bytes() -> int:
    try:
        with open("/proc/self/statm", "rb") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return 0  # not Linux: whoever needs the number has other tools there
