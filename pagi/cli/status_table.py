"""Reports of a running server as tables for people. Where they come from is somebody else's business."""

from collections import Counter
from collections.abc import Sequence

import click

from pagi.server.figures import EarlyEnd, OpenExchange, ProcessReport
from pagi.server.process.log_lines import escaped

KIND_COLOURS = {"http": "green", "sse": "magenta", "websocket": "cyan"}
GAP = "  "
UNITS = ((86_400, "d"), (3600, "h"), (60, "min"))
BINARY_UNITS = ((1024**3, "GiB"), (1024**2, "MiB"), (1024, "KiB"))

PROCESSES = ("WORKER", "PID", "UP", "CONNECTIONS", "IDLE", "HTTP", "SSE", "WEBSOCKET", "BUFFERED", "MEMORY", "SERVED", "ENDED EARLY")
OPEN = ("KIND", "WORKER", "AGE", "STATUS", "BUFFERED", "CLIENT", "REQUEST", "NOTE")
RECENT = ("KIND", "WORKER", "REASON", "AFTER", "REQUEST")
TO_THE_RIGHT = {
    "WORKER",
    "PID",
    "UP",
    "CONNECTIONS",
    "IDLE",
    "HTTP",
    "SSE",
    "WEBSOCKET",
    "BUFFERED",
    "MEMORY",
    "SERVED",
    "ENDED EARLY",
    "AGE",
    "AFTER",
}
"""Columns of numbers."""


def render_status(reports: Sequence[ProcessReport], most: int, colour: bool) -> str:
    """The processes, then at most `most` of the oldest open exchanges and of the latest early ends over all of them."""
    reports = sorted(reports, key=lambda each: (each.worker, each.pid))
    parts = [_table(PROCESSES, [_process(each) for each in reports], colour)]
    going_on = sorted(((each.worker, one) for each in reports for one in each.exchanges), key=lambda pair: -pair[1].seconds)
    if going_on and most:
        total = sum(sum(each.open.values()) for each in reports)
        parts.append(_titled(f"open, the oldest of {total}", OPEN, [_open(*pair) for pair in going_on[:most]], colour))
    recent = sorted(((each.worker, end) for each in reports for end in each.figures.recent), key=lambda pair: -pair[1].at)
    if recent and most:
        counts = Counter[str]()
        for each in reports:
            for reasons in each.figures.reasons.values():
                counts.update(reasons)
        told = ", ".join(f"{count} {reason}" for reason, count in counts.most_common())
        parts.append(_titled(f"ended early: {told}; the latest", RECENT, [_early(*pair) for pair in recent[:most]], colour))
    return "\n\n".join(parts)


def duration(seconds: float) -> str:
    """A span of time in the two units that say most.

    >>> duration(0.42), duration(75), duration(7384), duration(200_000)
    ('0.42s', '1min 15s', '2h 3min', '2d 7h')
    """
    if seconds < 60:
        return f"{seconds:.3g}s"
    whole = int(seconds)
    for at, (size, unit) in enumerate(UNITS):
        if whole >= size:
            smaller, name = UNITS[at + 1] if at + 1 < len(UNITS) else (1, "s")
            return f"{whole // size}{unit} {whole % size // smaller}{name}"
    raise AssertionError("a minute is the smallest of the units")


def size(count: int) -> str:
    """An amount of bytes in the unit that fits.

    >>> size(0), size(1023), size(1536), size(40_000_000)
    ('0', '1023', '1.5 KiB', '38.1 MiB')
    """
    for unit, name in BINARY_UNITS:
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return str(count)


def _process(each: ProcessReport) -> tuple[str, ...]:
    figures = each.figures
    served = sum(count for statuses in figures.statuses.values() for count in statuses.values())
    early = sum(count for reasons in figures.reasons.values() for count in reasons.values())
    worker = str(each.worker or "-") + (" leaving" if each.is_leaving else "")
    kinds = (str(each.open.get(kind, 0)) for kind in KIND_COLOURS)
    return (
        worker, str(each.pid), duration(each.seconds), str(each.connections), str(each.idle), *kinds, size(each.buffered_bytes),
        size(each.resident_bytes) if each.resident_bytes else "?", str(served), str(early),
    )  # fmt: skip


def _open(worker: int, one: OpenExchange) -> tuple[str, ...]:
    note = one.reason or ("waits for its client" if one.is_congested else "")
    request = f"{one.method} {escaped(one.path)} HTTP/{one.http_version}"
    return (
        one.kind, str(worker or "-"), duration(one.seconds), str(one.status or "-"), size(one.buffered_bytes), escaped(one.client), request,
        note,
    )  # fmt: skip


def _early(worker: int, end: EarlyEnd) -> tuple[str, ...]:
    return end.kind, str(worker or "-"), end.reason, duration(end.seconds), f"{end.method} {escaped(end.path)}"


def _titled(title: str, head: Sequence[str], rows: Sequence[Sequence[str]], colour: bool) -> str:
    return f"{_styled(title, colour, bold=True)}\n{_table(head, rows, colour)}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], colour: bool) -> str:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [_styled(_line(head, head, widths), colour, bold=True)]
    for row in rows:
        line = _line(row, head, widths)
        first = row[0]
        lines.append(_styled(first, colour, fg=KIND_COLOURS[first]) + line[len(first) :] if first in KIND_COLOURS else line)
    return "\n".join(lines)


def _line(cells: Sequence[str], head: Sequence[str], widths: Sequence[int]) -> str:
    placed = (
        cell.rjust(width) if name in TO_THE_RIGHT else cell.ljust(width) for cell, name, width in zip(cells, head, widths, strict=True)
    )
    return GAP.join(placed).rstrip()


def _styled(text: str, colour: bool, *, fg: str | None = None, bold: bool = False) -> str:
    return click.style(text, fg=fg, bold=bold) if colour else text
