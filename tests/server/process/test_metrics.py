"""Metrics in Prometheus's text format, read back by the rules of that format."""

import re

import pytest

from pagi.server.figures import BOUNDS, EarlyEnd, Figures, ProcessReport
from pagi.server.process.metrics import exposition

SAMPLE = re.compile(r"([a-z_]+)\{(.*)\} (\S+)")
LABEL = re.compile(r'([a-z]+)="((?:[^"\\]|\\.)*)"')


def process(worker: int, figures: Figures) -> ProcessReport:
    """A process with three connections, one of them idle."""
    return ProcessReport(
        pid=100 + worker, worker=worker, seconds=12.5, is_leaving=False, connections=3, idle=1, open={"sse": 2}, buffered_bytes=70,
        resident_bytes=1024, exchanges=[], figures=figures,
    )  # fmt: skip


def samples(text: bytes) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every sample by its name and labels; each may stand once, and only after its HELP and TYPE."""
    found: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    known: list[str] = []
    for line in text.decode().splitlines():
        if line.startswith("#"):
            _, _, name, _ = line.split(" ", 3)
            known.append(name)
            continue
        match = SAMPLE.fullmatch(line)
        assert match, line
        name, labels, value = match.groups()
        assert re.sub(r"_(bucket|sum|count)$", "", name) == known[-1] or name == known[-1], line
        key = name, frozenset(LABEL.findall(labels))
        assert key not in found, line
        found[key] = float(value)
    assert known == [name for name in dict.fromkeys(known) for _ in range(2)], "HELP and TYPE once for each"
    return found


def value(found: dict[tuple[str, frozenset[tuple[str, str]]], float], name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


def test_each_worker_has_its_own_samples() -> None:
    busy = Figures(accepted=9, turned_away=1, refused=2)
    busy.ended("http", 200, 500, 0.02)
    found = samples(exposition([process(1, busy), process(2, Figures())]))
    assert value(found, "pagi_connections_accepted_total", worker="1") == 9
    assert value(found, "pagi_connections_accepted_total", worker="2") == 0
    assert value(found, "pagi_exchanges", worker="1", kind="sse") == 2
    assert value(found, "pagi_exchanges", worker="1", kind="websocket") == 0
    assert value(found, "pagi_responses_total", worker="1", kind="http", status="200") == 1
    assert value(found, "pagi_sent_bytes_total", worker="1") == 500
    assert value(found, "pagi_uptime_seconds", worker="2") == 12.5


def test_a_histogram_counts_upwards_to_all() -> None:
    figures = Figures()
    for seconds in (0.001, 0.005, 0.0051, 3.0, 1e6):
        figures.ended("http", 200, 0, seconds)
    found = samples(exposition([process(1, figures)]))
    name = "pagi_exchange_duration_seconds"
    counts = [value(found, f"{name}_bucket", worker="1", kind="http", le=f"{bound:.15g}") for bound in BOUNDS]
    assert counts == sorted(counts)
    assert counts[:2] == [2, 3], "a bound belongs to its class"
    assert value(found, f"{name}_bucket", worker="1", kind="http", le="10") == 4
    assert value(found, f"{name}_bucket", worker="1", kind="http", le="+Inf") == 5
    assert value(found, f"{name}_count", worker="1", kind="http") == 5
    assert value(found, f"{name}_sum", worker="1", kind="http") == pytest.approx(1e6 + 3.0111)


def test_an_early_end_is_counted_by_its_reason_and_kept_for_a_while() -> None:
    figures = Figures()
    for number in range(60):
        figures.ended_early(EarlyEnd(0.0, "sse", "GET", f"/{number}", "write_timeout", 1.0))
    found = samples(exposition([process(1, figures)]))
    assert value(found, "pagi_early_ends_total", worker="1", kind="sse", reason="write_timeout") == 60
    assert [end.path for end in figures.recent][::49] == ["/10", "/59"]
