"""How long plain requests take, asked by a process of their own: what the asking costs is not the server's time.

Run as a file: `latency.py SECONDS PORT ...` asks all these servers by turns and prints one line of JSON. It imports nothing that would
have to be found first.
"""

import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

ROOM_SECONDS = 60.0
"""What the process may take beside the asking itself."""
PAUSE_SECONDS = 0.001
FRESH = 4
"""Each fourth request opens a connection for itself: those that wait to be accepted are asked after too."""
FLOOD_BOUND = 100.0
"""Milliseconds. A flood takes all the time there is, so others wait for their turn, but for no more than a few."""
RUNS = 3
KEPT_REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
FRESH_REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
BODY = b"\r\n\r\nhello"


class Latency(NamedTuple):
    """Milliseconds from a request, or from the opening of its connection, to the last byte of its answer."""

    requests: int
    p50: float
    p99: float
    worst: float

    def __str__(self) -> str:
        return f"{self.requests} requests, p50 {self.p50:.2f} ms, p99 {self.p99:.2f} ms, worst {self.worst:.2f} ms"


def latency_of(port: int, seconds: float) -> Latency:
    """Asks the server on `port` for `seconds`, one request after the other. Every answer has to come, and be right."""
    return latencies_of([port], seconds)[0]


def latencies_of(ports: list[int], seconds: float) -> list[Latency]:
    """The same for several servers, which are asked by turns."""
    command = [sys.executable, "-S", "-E", str(Path(__file__)), str(seconds), *map(str, ports)]
    asked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + ROOM_SECONDS)
    assert asked.returncode == 0, asked.stderr
    return [Latency(**latency) for latency in json.loads(asked.stdout)]


def beside(port: int, calm: int, seconds: float, flood: str) -> bool:
    """Asks beside a flood, again if somebody else disturbed the machine. Returns whether the answers came in time.

    What that is depends on the machine: the server on `calm`, which nobody floods, is asked by turns with the other.
    """
    for _ in range(RUNS):
        during, quiet = latencies_of([port, calm], seconds)
        print(f"\n{flood}: {during}\n  beside it, where nobody floods: {quiet}")
        if during.p99 < max(FLOOD_BOUND, 5 * quiet.p99):
            return True
    return False


def p99(ranked: list[float]) -> float:
    """The 99th of a hundred of sorted numbers, by nearest rank."""
    return ranked[min(len(ranked) - 1, int(len(ranked) * 0.99))]


def connect(port: int) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=ROOM_SECONDS)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return client


def ask(client: socket.socket, request: bytes) -> None:
    client.sendall(request)
    data = b""
    while not data.endswith(BODY):
        more = client.recv(4096)
        if not more or not (data + more).startswith(b"HTTP/1.1 200 "):
            sys.exit(f"a plain request was answered with {data + more!r}")
        data += more


def measured(took: list[float]) -> dict[str, float]:
    took.sort()
    return {"requests": len(took), "p50": took[len(took) // 2], "p99": p99(took), "worst": took[-1]}


def main(seconds: float, ports: list[int]) -> None:
    """Asks, and prints."""
    kept = {port: connect(port) for port in ports}
    took: dict[int, list[float]] = {port: [] for port in ports}
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        for port in ports:
            began = time.perf_counter()
            if len(took[port]) % FRESH:
                ask(kept[port], KEPT_REQUEST)
            else:
                with connect(port) as fresh:
                    ask(fresh, FRESH_REQUEST)
            took[port].append(1000 * (time.perf_counter() - began))
            time.sleep(PAUSE_SECONDS)
    print(json.dumps([measured(took[port]) for port in ports]))


if __name__ == "__main__":
    main(float(sys.argv[1]), [int(port) for port in sys.argv[2:]])
