"""A look into the running process, as plain values."""

import os

from pagi.server.figures import MOST_SHOWN, Figures, OpenExchange, ProcessReport
from pagi.server.service import Service


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
