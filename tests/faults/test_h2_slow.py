"""HTTP/2 clients that are slow on purpose: shut windows, heads in drops, bodies that stop, sockets that nobody reads."""

import socket
import time
from collections.abc import Generator

import pytest

from tests.faults.conftest import APP
from tests.faults.h2_frames import (
    CONTINUATION,
    END_STREAM,
    GOAWAY,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    PREFACE,
    REQUEST,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Frame,
    block,
    frame,
    frames_of,
    number,
    request,
    setting,
)
from tests.faults.latency import latency_of
from tests.faults.remains import Life, at_rest, ends_of, settled
from tests.server.child import Child, read_rest, running

pytestmark = pytest.mark.quiet

DEADLINE = 1.0
STREAMS = 100
"""As many as one connection may have."""
KIB = 1024
MIB = 1024 * KIB
QUIET_BOUND = 100.0
"""Milliseconds. Nobody here computes much."""


@pytest.fixture(scope="module")
def short(loop: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[Child]:
    """A server with short deadlines."""
    flags = [word for flag in ("--timeout-head", "--timeout-body", "--timeout-write") for word in (flag, str(DEADLINE))]
    with running(tmp_path_factory.mktemp(loop), APP, "--loop", loop, *flags) as child:
        yield child


@pytest.fixture(scope="module")
def before_slow(short: Child) -> Life:
    """What that server held before."""
    return at_rest(short)


def new_ends(child: Child, known: dict[str, int]) -> dict[str, int]:
    """How exchanges ended since then."""
    return {end: count - known.get(end, 0) for end, count in ends_of(child).items() if count > known.get(end, 0)}


def until_all(client: socket.socket, kind: int, count: int) -> list[Frame]:
    """Reads until so many frames of this kind came. Returns them."""
    data = b""
    found: list[Frame] = []
    while len(found) < count:
        more = client.recv(64 * KIB)
        assert more, f"the connection ended after {len(found)}"
        data += more
        found = [frame for frame in frames_of(data) if frame.kind == kind]
    return found


def test_shut_windows_are_write_timeouts_and_hold_one_mark_each(short: Child, before_slow: Life) -> None:
    known = ends_of(short)
    memory = short.rss()
    with short.connect() as client:
        began = time.monotonic()
        client.sendall(PREFACE + frame(SETTINGS, 0, 0, setting(INITIAL_WINDOW_SIZE, 0)))
        client.sendall(b"".join(request(2 * number + 1, b"/stream") for number in range(STREAMS)))
        during = latency_of(short.port, DEADLINE / 2)
        growth = short.rss() - memory
        resets = until_all(client, RST_STREAM, STREAMS)
        took = time.monotonic() - began
    assert sorted(frame.stream for frame in resets) == [2 * number + 1 for number in range(STREAMS)]
    assert took >= DEADLINE - 0.1
    assert growth <= STREAMS * 130 * KIB + 4 * MIB
    assert during.p99 < QUIET_BOUND
    assert new_ends(short, known) == {"http write_timeout": STREAMS}
    assert settled(short, before_slow) == before_slow


def test_a_socket_that_nobody_reads_is_reset(short: Child, before_slow: Life) -> None:
    known = ends_of(short)
    with short.connect() as client:
        wide = PREFACE + frame(SETTINGS, 0, 0, setting(INITIAL_WINDOW_SIZE, 2**31 - 1)) + frame(WINDOW_UPDATE, 0, 0, number(2**30))
        client.sendall(wide + b"".join(request(2 * number + 1, b"/stream") for number in range(STREAMS)))
        during = latency_of(short.port, DEADLINE / 2)
        until = time.monotonic() + 10
        while not client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            assert time.monotonic() < until
            time.sleep(0.02)
    assert during.p99 < QUIET_BOUND
    assert new_ends(short, known) == {"http write_timeout": STREAMS}
    assert settled(short, before_slow) == before_slow


def test_a_head_in_drops_is_ended_by_the_deadline_of_heads(short: Child, before_slow: Life) -> None:
    with short.connect() as client:
        client.sendall(PREFACE + frame(SETTINGS) + frame(HEADERS, END_STREAM, 1, block(REQUEST)))
        began = time.monotonic()
        client.settimeout(DEADLINE / 8)
        ended = False
        while not ended and time.monotonic() < began + 10:
            try:
                client.sendall(frame(CONTINUATION, 0, 1, block([(b"x", b"y")])))
                ended = not client.recv(64 * KIB)
            except TimeoutError:
                continue
            except ConnectionError:
                ended = True
        took = time.monotonic() - began
    assert DEADLINE - 0.1 <= took < 5
    short.until_said("408 a request's head took over 1 s")
    assert settled(short, before_slow) == before_slow


def test_a_body_that_stops_is_answered_408_and_the_connection_lives(short: Child, before_slow: Life) -> None:
    known = ends_of(short)
    with short.connect() as client:
        client.sendall(PREFACE + frame(SETTINGS) + request(1, b"/body", method=b"POST", ends=False))
        (answer,) = until_all(client, HEADERS, 1)
        assert answer.stream == 1
        client.sendall(request(3))
        assert until_all(client, HEADERS, 1)[0].stream == 3
        client.shutdown(socket.SHUT_WR)
        assert not any(frame.kind == GOAWAY for frame in frames_of(read_rest(client)))
    assert new_ends(short, known) == {"http client_timeout": 1}
    assert settled(short, before_slow) == before_slow
