"""What lives in a server: exchanges, tasks, objects and descriptors, to be compared before and after a fault."""

import json
import socket
import time
from typing import Any, NamedTuple

import psutil

from tests.server.child import Child, read_until

PATIENCE_SECONDS = 30.0
"""Longer than any grace of a server whose client has left."""
ALIVE = b"GET /alive HTTP/1.1\r\nHost: x\r\n\r\n"


class Life(NamedTuple):
    """What a server held, with one connection open: that which asked."""

    running: int
    tasks: int
    objects: dict[str, int]
    descriptors: int


def told(client: socket.socket) -> dict[str, Any]:
    """What `app.py` says of itself."""
    client.sendall(ALIVE)
    data = read_until(client, b"\r\n\r\n")
    head, _, body = data.partition(b"\r\n\r\n")
    size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    while len(body) < size:
        body += client.recv(65536)
    alive: dict[str, Any] = json.loads(body)
    return alive


def look(child: Child, client: socket.socket) -> Life:
    """What it holds now."""
    alive = told(client)
    descriptors = psutil.Process(child.process.pid).num_fds()
    return Life(alive["running"], alive["tasks"], alive["objects"], descriptors)


def ends_of(child: Child) -> dict[str, int]:
    """How many exchanges ended early so far, by kind and reason."""
    with child.connect() as client:
        ends: dict[str, int] = told(client)["ends"]
    return ends


def at_rest(child: Child) -> Life:
    """What it holds when nobody is served, after it has loaded and made ready what it does late. Nobody has asked before."""
    with child.connect() as client:
        for _ in range(8):
            look(child, client)
        return look(child, client)


def settled(child: Child, before: Life) -> Life:
    """Waits until it holds what it held `before`, and says what it holds at last in any case."""
    until = time.monotonic() + PATIENCE_SECONDS
    with child.connect() as client:
        while (now := look(child, client)) != before and time.monotonic() < until:
            time.sleep(0.1)
    return now
