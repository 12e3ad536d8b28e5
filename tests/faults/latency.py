"""How long plain requests take, asked by a process of their own: what the asking costs is not the server's time.

Run as a file: `latency.py PORT SECONDS` prints one line of JSON. It imports nothing that would have to be found first.
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
    command = [sys.executable, "-S", "-E", str(Path(__file__)), str(port), str(seconds)]
    asked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + ROOM_SECONDS)
    assert asked.returncode == 0, asked.stderr
    return Latency(**json.loads(asked.stdout))


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


def main(port: int, seconds: float) -> None:
    """Asks, and prints."""
    took: list[float] = []
    until = time.perf_counter() + seconds
    kept = connect(port)
    while time.perf_counter() < until:
        began = time.perf_counter()
        if len(took) % FRESH:
            ask(kept, KEPT_REQUEST)
        else:
            with connect(port) as fresh:
                ask(fresh, FRESH_REQUEST)
        took.append(1000 * (time.perf_counter() - began))
        time.sleep(PAUSE_SECONDS)
    took.sort()
    print(json.dumps({"requests": len(took), "p50": took[len(took) // 2], "p99": p99(took), "worst": took[-1]}))


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
