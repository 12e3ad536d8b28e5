"""Reports of a running server as a person reads them."""

from pagi.cli.status_table import render_status
from pagi.server.figures import EarlyEnd, Figures, OpenExchange, ProcessReport


def process(worker: int, **more: object) -> ProcessReport:
    """A worker with an event stream and a request that nobody reads."""
    figures = Figures(accepted=12)
    for seconds in (0.01, 0.02):
        figures.ended("http", 200, 10, seconds)
    figures.ended_early(EarlyEnd(100.0 + worker, "sse", "GET", "/feed", "client_closed", 75.0))
    stream = OpenExchange("sse", "GET", "/feed\x1b[31m", "10.0.0.1:5000", "2", 200, 7384.0, 0, False, None)
    slow = OpenExchange("http", "GET", "/big", "10.0.0.2:5001", "1.1", 200, 3.0, 65536, True, None)
    values: dict[str, object] = {
        "pid": 100 + worker, "worker": worker, "seconds": 90_061.0, "is_leaving": False, "connections": 3, "idle": 1,
        "open": {"sse": 1, "http": 1}, "buffered_bytes": 65536, "resident_bytes": 40_000_000, "exchanges": [stream, slow],
        "figures": figures, **more,
    }  # fmt: skip
    return ProcessReport(**values)  # type: ignore[arg-type]


def lines(reports: list[ProcessReport], most: int = 20) -> list[str]:
    return render_status(reports, most, colour=False).splitlines()


def test_each_process_has_a_line_in_the_order_of_the_workers() -> None:
    shown = lines([process(2), process(1, is_leaving=True)], most=0)
    assert [line.split() for line in shown] == [
        ["WORKER", "PID", "UP", "CONNECTIONS", "IDLE", "HTTP", "SSE", "WEBSOCKET", "BUFFERED", "MEMORY", "SERVED", "ENDED", "EARLY"],
        ["1", "leaving", "101", "1d", "1h", "3", "1", "1", "1", "0", "64.0", "KiB", "38.1", "MiB", "2", "1"],
        ["2", "102", "1d", "1h", "3", "1", "1", "1", "0", "64.0", "KiB", "38.1", "MiB", "2", "1"],
    ]


def test_the_oldest_exchanges_come_first_and_no_control_character_is_shown() -> None:
    shown = lines([process(1), process(2)], most=3)
    at = shown.index("open, the oldest of 4")
    assert [line.split()[:4] for line in shown[at + 2 : at + 5]] == [
        ["sse", "1", "2h", "3min"],
        ["sse", "2", "2h", "3min"],
        ["http", "1", "3s", "200"],
    ]
    assert shown[at + 2].endswith(r"GET /feed\x1b[31m HTTP/2")
    assert "GET /big HTTP/1.1  " in shown[at + 4]
    assert shown[at + 4].endswith("  waits for its client")


def test_early_ends_are_counted_by_reason_and_the_latest_shown_first() -> None:
    shown = lines([process(1), process(2)])
    at = shown.index("ended early: 2 client_closed; the latest")
    assert [line.split() for line in shown[at + 2 :]] == [
        ["sse", "2", "client_closed", "1min", "15s", "GET", "/feed"],
        ["sse", "1", "client_closed", "1min", "15s", "GET", "/feed"],
    ]


def test_a_server_without_exchanges_shows_its_processes_alone() -> None:
    shown = lines([process(0, exchanges=[], open={}, figures=Figures())])
    assert len(shown) == 2
    assert shown[1].split()[0] == "-"
