"""Reports of processes as metrics in Prometheus's text format (version 0.0.4), one label `worker` apart."""

from collections.abc import Iterable, Iterator, Mapping

from pagi.server.figures import BOUNDS, Durations, ProcessReport

CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"

Labels = Mapping[str, object]


class Family:
    """One metric: its name, what it tells, and its samples."""

    def __init__(self, name: str, kind: str, help: str) -> None:
        self.name = name
        self._lines = [f"# HELP {name} {help}", f"# TYPE {name} {kind}"]

    def add(self, labels: Labels, value: float, suffix: str = "") -> None:
        """One sample."""
        told = ",".join(f'{key}="{_escaped(str(text))}"' for key, text in labels.items())
        self._lines.append(f"{self.name}{suffix}{{{told}}} {_number(value)}")

    def __iter__(self) -> Iterator[str]:
        return iter(self._lines)


def exposition(reports: Iterable[ProcessReport]) -> bytes:
    """All metrics of all processes. Counters begin at 0 with each process: the label `worker` stays, and rates survive that.

    >>> exposition([]).decode().splitlines()[1]
    '# TYPE pagi_connections gauge'
    """
    connections = Family("pagi_connections", "gauge", "Open connections.")
    idle = Family("pagi_connections_idle", "gauge", "Open connections without an exchange.")
    accepted = Family("pagi_connections_accepted_total", "counter", "Connections accepted.")
    turned_away = Family("pagi_connections_turned_away_total", "counter", "Connections answered 503: too many were open.")
    handshakes = Family("pagi_tls_handshakes_failed_total", "counter", "Connections that ended in the handshake of TLS.")
    going_on = Family("pagi_exchanges", "gauge", "Exchanges going on: HTTP requests, event streams, WebSockets.")
    responses = Family("pagi_responses_total", "counter", "Exchanges that are over, by their status.")
    early = Family("pagi_early_ends_total", "counter", "Exchanges that did not end as they should, by the reason.")
    refused = Family("pagi_requests_refused_total", "counter", "Requests answered by the server: they broke the protocol or a limit.")
    durations = Family("pagi_exchange_duration_seconds", "histogram", "From the head of a request to the last byte of its answer.")
    sent = Family("pagi_sent_bytes_total", "counter", "Bytes of bodies and messages sent.")
    buffered = Family("pagi_buffered_bytes", "gauge", "Bytes that wait for clients to read.")
    resident = Family("pagi_resident_memory_bytes", "gauge", "Memory of the process.")
    uptime = Family("pagi_uptime_seconds", "gauge", "Since the process began to serve.")
    for each in reports:
        labels = {"worker": each.worker}
        figures = each.figures
        connections.add(labels, each.connections)
        idle.add(labels, each.idle)
        accepted.add(labels, figures.accepted)
        turned_away.add(labels, figures.turned_away)
        handshakes.add(labels, figures.handshakes_failed)
        refused.add(labels, figures.refused)
        sent.add(labels, figures.bytes_sent)
        buffered.add(labels, each.buffered_bytes)
        uptime.add(labels, each.seconds)
        if each.resident_bytes:
            resident.add(labels, each.resident_bytes)
        for kind in ("http", "sse", "websocket"):
            going_on.add({**labels, "kind": kind}, each.open.get(kind, 0))
        for kind, statuses in sorted(figures.statuses.items()):
            for status, count in sorted(statuses.items()):
                responses.add({**labels, "kind": kind, "status": status}, count)
        for kind, reasons in sorted(figures.reasons.items()):
            for reason, count in sorted(reasons.items()):
                early.add({**labels, "kind": kind, "reason": reason}, count)
        for kind, taken in sorted(figures.durations.items()):
            _histogram(durations, {**labels, "kind": kind}, taken)
    families = (
        connections, idle, accepted, turned_away, handshakes, going_on, responses, early, refused, durations, sent, buffered, resident,
        uptime,
    )  # fmt: skip
    return "".join(f"{line}\n" for family in families for line in family).encode()


def _histogram(family: Family, labels: Labels, taken: Durations) -> None:
    so_far = 0
    for bound, count in zip((*BOUNDS, float("inf")), taken.counts, strict=True):
        so_far += count
        family.add({**labels, "le": _number(bound)}, so_far, "_bucket")
    family.add(labels, taken.total_seconds, "_sum")
    family.add(labels, so_far, "_count")


def _number(value: float) -> str:
    return "+Inf" if value == float("inf") else f"{value:.15g}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
