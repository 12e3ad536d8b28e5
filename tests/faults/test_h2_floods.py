"""HTTP/2 floods over real sockets: each is ended by its own limit, others are answered meanwhile, and nothing of them is left."""

import itertools
import select
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.faults.h2_frames import (
    ACK,
    CANCEL,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    OPENING,
    PING,
    PRIORITY,
    REQUEST,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    block,
    frame,
    goaway_of,
    number,
    request,
    setting,
)
from tests.faults.latency import beside
from tests.faults.remains import Life, settled
from tests.server.child import Child

pytestmark = pytest.mark.quiet

SECONDS = 0.3
KIB = 1024
MIB = 1024 * KIB
MOST_GROWTH = 8 * MIB
MOST_BYTES = 4 * MIB
"""What one connection says at most before it gives up. No flood may need so much."""
PATIENCE_SECONDS = 30.0


def odd() -> Iterator[int]:
    return itertools.count(1, 2)


def rapid_resets() -> Iterator[bytes]:
    """CVE-2023-44487."""
    return (request(stream) + frame(RST_STREAM, 0, stream, number(CANCEL)) for stream in odd())


def made_resets() -> Iterator[bytes]:
    """CVE-2025-8671: requests that the server has to reset, here because they have no method."""
    return (frame(HEADERS, END_STREAM | END_HEADERS, stream, block(REQUEST[1:])) for stream in odd())


def continuations() -> Iterator[bytes]:
    """CVE-2024-27316: a head that never ends."""
    yield frame(HEADERS, END_STREAM, 1, block(REQUEST))
    yield from itertools.repeat(frame(CONTINUATION, 0, 1, block([(b"x", b"y")])))


def empty_data() -> Iterator[bytes]:
    """CVE-2019-9518."""
    yield request(1, b"/body", method=b"POST", ends=False)
    yield from itertools.repeat(frame(DATA, 0, 1))


def bomb() -> Iterator[bytes]:
    """A field of 4,000 bytes learned once, then named four thousand times in one block: 16 MiB out of 8 KiB."""
    learned = b"\x40\x01a" + b"\x7f\xa1\x1e" + b"b" * 4000  # literal with indexing; 4,000 as an integer of 7 bits
    yield frame(HEADERS, END_STREAM | END_HEADERS, 1, block(REQUEST) + learned)
    yield from (frame(HEADERS, END_STREAM | END_HEADERS, stream, block(REQUEST) + b"\xbe" * 4000) for stream in itertools.count(3, 2))


FLOODS: dict[str, tuple[Callable[[], Iterator[bytes]], str]] = {
    "rapid resets": (rapid_resets, "resets"),
    "resets made by us": (made_resets, "resets"),
    "CONTINUATION": (continuations, "CONTINUATION"),
    "PING": (lambda: itertools.repeat(frame(PING, 0, 0, bytes(8))), "pings"),
    "acknowledged PING": (lambda: itertools.repeat(frame(PING, ACK, 0, bytes(8))), "pings"),
    "SETTINGS": (lambda: itertools.repeat(frame(SETTINGS, 0, 0, setting(INITIAL_WINDOW_SIZE, 65535))), "settings"),
    "empty DATA": (empty_data, "empty data"),
    "PRIORITY": (lambda: (frame(PRIORITY, 0, stream, number(0) + b"\x10") for stream in odd()), "others"),
    "WINDOW_UPDATE": (lambda: itertools.repeat(frame(WINDOW_UPDATE, 0, 0, number(1))), "window updates"),
    "unknown frames": (lambda: itertools.repeat(frame(0xFA, 0, 0, b"?")), "others"),
    "HPACK bomb": (bomb, "bytes"),
}


def spend(child: Child, flood: Iterator[bytes]) -> bytes:
    """One connection that says all of it, until the server ends it. Returns what the server said."""
    heard = b""
    said = 0
    until = time.monotonic() + PATIENCE_SECONDS
    with child.connect() as client:
        client.setblocking(False)
        waiting = OPENING
        while time.monotonic() < until:
            readable, writable, _ = select.select([client], [client] if waiting else [], [], 1)
            try:
                if readable:
                    more = client.recv(64 * KIB)
                    if not more:
                        break
                    heard += more
                if writable:
                    taken = client.send(waiting)
                    said += taken
                    waiting = waiting[taken:]
            except OSError:
                break
            if len(waiting) < 16 * KIB and said < MOST_BYTES:
                waiting += b"".join(itertools.islice(flood, 200))
    assert said < MOST_BYTES, "no limit ended it"
    return heard


@pytest.mark.parametrize("name", FLOODS)
def test_a_flood_is_ended_by_its_own_limit_and_holds_nobody_up(name: str, child: Child, before: Life, calm: Child) -> None:
    flood, limit = FLOODS[name]
    over = threading.Event()
    heard: list[bytes] = []
    memory = child.rss()

    def again() -> None:
        while not over.is_set():
            heard.append(spend(child, flood()))

    threads = [threading.Thread(target=again) for _ in range(2)]
    for thread in threads:
        thread.start()
    in_time = beside(child.port, calm.port, SECONDS, name)
    growth = child.rss() - memory
    over.set()
    for thread in threads:
        thread.join()
    print(f"  {len(heard)} connections were ended meanwhile")
    for said in heard:
        ended = goaway_of(said)
        assert ended is not None
        assert ended[0] == ENHANCE_YOUR_CALM
        assert limit in ended[1]
    assert in_time
    assert growth <= MOST_GROWTH
    assert settled(child, before) == before
