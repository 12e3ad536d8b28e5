"""Windows both ways, to the byte: what comes is credited once and only once, and what goes never outgrows what the client takes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pagi.server.options import KIB, MIB
from pagi.server.wire.events import BodyData, Fault, Request, ResponseData, ResponseEnd, ResponseHead, StreamReset
from pagi.server.wire.http2_frames import ACK, DATA, END_STREAM, HEADERS, MAX_WINDOW, PADDED, SETTINGS, Code
from pagi.server.wire.http2_inflow import UnreadBudget
from tests.server.wire.http2_peer import (
    GET,
    POST,
    Peer,
    bodies,
    credits_of,
    data,
    frame,
    headers,
    rst,
    setting,
    window_update,
)

FIRST = 65_535

# ---- what comes


def test_the_connection_is_opened_at_once() -> None:
    assert credits_of(Peer().greeting) == {0: MIB - FIRST}
    assert credits_of(Peer(h2_connection_window_bytes=FIRST).greeting) == {}


def test_a_connection_is_credited_on_arrival_and_a_stream_on_consumption() -> None:
    peer = Peer(h2_connection_window_bytes=FIRST, h2_initial_window_bytes=FIRST)
    peer.receive(headers(1, POST, ends=False))
    for _ in range(3):
        peer.receive(data(1, bytes(16384)))
    assert credits_of(peer.frames()) == {0: 3 * 16384 - 16384}  # after two frames half was used; the third waits
    peer.engine.consumed(1, 16384)
    assert credits_of(peer.frames()) == {}
    peer.engine.consumed(1, 2 * 16384)
    assert credits_of(peer.frames()) == {1: 3 * 16384}


def test_padding_is_credited_at_once() -> None:
    peer = Peer(h2_connection_window_bytes=FIRST, h2_initial_window_bytes=1000)
    (request,) = peer.requests(headers(1, POST, ends=False), data(1, b"\xff" + b"a" + bytes(255), flags=PADDED))
    assert request.body == b"a"
    peer.receive(data(1, b"\xff" + b"a" + bytes(255), flags=PADDED))
    assert credits_of(peer.frames()) == {1: 512}
    peer.engine.consumed(1, 2)
    assert peer.budget.used == 0


def test_a_stream_that_has_ended_is_not_credited() -> None:
    peer = Peer(h2_initial_window_bytes=100)
    peer.receive(headers(1, POST, ends=False), data(1, bytes(100), ends=True))
    peer.engine.consumed(1, 100)
    assert credits_of(peer.frames()) == {}


def test_more_than_a_streams_window_is_the_streams_fault() -> None:
    peer = Peer(h2_initial_window_bytes=FIRST)
    peer.receive(headers(1, POST, ends=False), *[data(1, bytes(16384))] * 3, data(1, bytes(FIRST - 3 * 16384)))
    assert peer.receive(data(1, b"a")) == [StreamReset(1)]
    assert peer.resets() == [(1, Code.FLOW_CONTROL_ERROR)]
    assert peer.budget.used == 0


def test_more_than_the_connections_window_is_the_connections_fault() -> None:
    peer = Peer(h2_connection_window_bytes=FIRST, h2_max_unread_bytes=FIRST)
    peer.receive(headers(1, POST, ends=False), *[data(1, bytes(16384))] * 3, data(1, bytes(FIRST - 3 * 16384)))
    (fault,) = peer.receive(data(1, b"a"))
    assert isinstance(fault, Fault)
    assert peer.goaway()[1] is Code.FLOW_CONTROL_ERROR


def test_a_smaller_window_holds_once_the_client_knows_of_it() -> None:
    peer = Peer(h2_initial_window_bytes=100)
    peer.receive(headers(1, POST, ends=False), data(1, bytes(1000)))  # what it may before it saw our SETTINGS
    assert peer.resets() == []
    peer.receive(frame(SETTINGS, ACK, 0))
    assert peer.receive(data(1, b"a")) == [StreamReset(1)]
    assert peer.resets() == [(1, Code.FLOW_CONTROL_ERROR)]


def test_a_slow_stream_does_not_hold_up_another() -> None:
    peer = Peer()
    peer.receive(headers(1, POST, ends=False), *[data(1, bytes(16384))] * 16)  # its whole window, and nobody reads
    credits = credits_of(peer.frames())
    for number in range(40):
        peer.receive(headers(3 + 2 * number, POST, ends=False), *[data(3 + 2 * number, bytes(16384))] * 4)
        peer.engine.consumed(3 + 2 * number, 65536)
        credits[0] = credits.get(0, 0) + credits_of(peer.frames()).get(0, 0)
    assert credits[0] > 41 * 65536 - MIB


def test_what_is_unread_on_a_connection_is_bounded() -> None:
    limit = 200 * KIB
    peer = Peer(h2_max_unread_bytes=limit, h2_connection_window_bytes=limit)
    window = FIRST + credits_of(peer.greeting).get(0, 0)
    stream_id, sent = 1, 0
    peer.receive(headers(stream_id, POST, ends=False))
    for _ in range(100):
        size = min(window, 16384)
        if not size:
            break
        if sent + size > 256 * KIB:
            stream_id, sent = stream_id + 2, 0
            peer.receive(headers(stream_id, POST, ends=False))
        peer.receive(data(stream_id, bytes(size)))
        sent += size
        window += credits_of(peer.frames()).get(0, 0) - size
        assert peer.budget.used + window <= limit
    assert window == 0
    assert peer.budget.used == limit
    peer.engine.consumed(1, limit)
    assert credits_of(peer.frames())[0] == limit


def test_what_is_unread_in_a_process_is_bounded() -> None:
    budget = UnreadBudget(100_000)
    first, second = Peer(budget=budget), Peer(budget=budget)
    for peer in (first, second):
        peer.receive(headers(1, POST, ends=False), *[data(1, bytes(10_000))] * 4)
    assert (budget.used, budget.is_tight) == (80_000, True)
    assert first.receive(*[data(1, bytes(10_000))] * 2) == [BodyData(1, bytes(20_000))]
    assert second.receive(data(1, bytes(10_000))) == [StreamReset(1)]
    assert second.resets() == [(1, Code.ENHANCE_YOUR_CALM)]
    assert budget.used == 60_000
    assert second.request(headers(3, POST, ends=False), data(3, b"a")).body == b"a"


def test_a_tight_process_opens_windows_no_wider_than_every_client_may_have() -> None:
    budget = UnreadBudget(100_000)
    peer = Peer(budget=budget)
    peer.receive(headers(1, POST, ends=False), *[data(1, bytes(16384))] * 4)
    assert budget.is_tight
    other = Peer(budget=budget)
    assert credits_of(other.greeting) == {}
    peer.engine.release(1)
    other.engine.tick(1)
    assert credits_of(other.frames()) == {0: MIB - FIRST}


@pytest.mark.parametrize("end", ["reset", "fault", "release", "abandoned"])
def test_bytes_that_nobody_will_read_are_given_back(end: str) -> None:
    peer = Peer()
    peer.receive(headers(1, POST, ends=False), data(1, bytes(10_000)))
    assert peer.budget.used == 10_000
    if end == "reset":
        peer.receive(rst(1))
    elif end == "fault":
        peer.receive(window_update(1, 0))
    elif end == "release":
        peer.engine.release(1)
    else:
        peer.receive(headers(3, POST, ends=False), data(3, bytes(5_000)), data(0, b""))
        assert peer.budget.used == 10_000
        peer.engine.release(1)
    assert peer.budget.used == 0
    peer.engine.consumed(1, 10_000)
    assert peer.budget.used == 0


def test_more_is_not_given_back_than_came() -> None:
    peer = Peer(h2_initial_window_bytes=FIRST)
    peer.receive(headers(1, POST, ends=False), data(1, bytes(100)))
    peer.engine.consumed(1, 10**9)
    peer.engine.consumed(7, 10**9)
    assert (peer.budget.used, credits_of(peer.frames())) == (0, {})


class Uploads:
    """A client that keeps to its windows, and an application that reads now and then. Both count."""

    def __init__(self, stream_window: int, limit: int) -> None:
        self.stream_window = stream_window
        self.peer = Peer(h2_initial_window_bytes=stream_window, h2_connection_window_bytes=FIRST, h2_max_unread_bytes=limit)
        self.peer.receive(frame(SETTINGS, ACK, 0))
        self.connection = FIRST + credits_of(self.peer.greeting).get(0, 0)
        self.windows: dict[int, int] = {}
        self.unread: dict[int, int] = {}
        self.next_id = 1
        self.arrived = 0
        self.credited = self.connection

    def heard(self) -> None:
        for stream_id, size in credits_of(self.peer.frames()).items():
            if stream_id:
                self.windows[stream_id] += size
                assert self.windows[stream_id] <= self.stream_window
            else:
                self.connection += size
                self.credited += size

    def begin(self) -> None:
        self.windows[self.next_id], self.unread[self.next_id] = self.stream_window, 0
        self.peer.receive(headers(self.next_id, POST, ends=False))
        self.next_id += 2

    def upload(self, stream_id: int, size: int, padding: int) -> None:
        size = min(size, self.windows[stream_id] - padding - 1, self.connection - padding - 1)
        if size < 0:
            return
        events = self.peer.receive(data(stream_id, bytes([padding]) + bytes(size) + bytes(padding), flags=PADDED))
        body = b"".join(event.data for event in events if isinstance(event, BodyData))
        assert not any(isinstance(event, Fault | StreamReset | Request) for event in events)
        assert len(body) == size
        self.unread[stream_id] += size
        self.windows[stream_id] -= size + padding + 1
        self.connection -= size + padding + 1
        self.arrived += size + padding + 1

    def end(self, stream_id: int, how: str) -> None:
        del self.windows[stream_id], self.unread[stream_id]
        if how == "reset":
            self.peer.receive(rst(stream_id))
        self.peer.engine.release(stream_id)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from([1000, FIRST, 256 * KIB]),
    st.sampled_from([FIRST, 3 * FIRST]),
    st.lists(
        st.tuples(
            st.sampled_from(["begin", "upload", "upload", "upload", "upload", "read", "read", "reset", "release"]),
            st.integers(0, 7),
            st.integers(0, 16000),
            st.integers(0, 255),
        ),
        max_size=60,
    ),
)
def test_every_byte_is_credited_once(stream_window: int, limit: int, steps: list[tuple[str, int, int, int]]) -> None:
    uploads = Uploads(stream_window, limit)
    for step, which, size, padding in steps:
        ids = list(uploads.windows)
        if step == "begin" or not ids:
            uploads.begin()
        elif step == "upload":
            uploads.upload(ids[which % len(ids)], size, padding)
        elif step == "read":
            stream_id = ids[which % len(ids)]
            taken = min(size, uploads.unread[stream_id])
            uploads.unread[stream_id] -= taken
            uploads.peer.engine.consumed(stream_id, taken)
        else:
            uploads.end(ids[which % len(ids)], step)
        uploads.heard()
        unread = sum(uploads.unread.values())
        assert uploads.peer.budget.used == unread
        # What the client may still send is what it was ever allowed, less what it sent; with what waits it stays under the limit.
        assert uploads.connection == uploads.credited - uploads.arrived
        assert uploads.connection + unread <= limit
    for stream_id, unread in uploads.unread.items():
        uploads.peer.engine.consumed(stream_id, unread)
    uploads.heard()
    # At rest at least half of every window is open, and none was opened twice.
    assert FIRST // 2 < uploads.connection <= FIRST
    assert all(stream_window // 2 < window <= stream_window for window in uploads.windows.values())


# ---- what goes


def test_a_body_waits_for_the_streams_window() -> None:
    peer = Peer()
    peer.receive(frame(SETTINGS, 0, 0, setting(4, 10)), headers(1))
    peer.answer(1, b"0123456789abcdef")
    assert bodies(peer.frames()) == {1: b"0123456789"}
    assert (peer.engine.has_output, peer.engine.queued(1), peer.engine.queued(0), peer.engine.sent(1)) == (False, 6, 0, 10)
    peer.receive(window_update(1, 4))
    assert (peer.engine.has_output, peer.engine.queued(0)) == (True, 4)
    assert bodies(peer.frames()) == {1: b"abcd"}
    assert peer.engine.take_finished() == []
    peer.receive(window_update(1, 100))
    assert peer.frames() == [(DATA, END_STREAM, 1, b"ef")]
    assert (peer.engine.take_finished(), peer.engine.sent(1)) == ([1], 16)


def test_a_body_waits_for_the_connections_window() -> None:
    peer = Peer()
    peer.receive(headers(1), headers(3), window_update(1, 100_000), window_update(3, 100_000))
    peer.answer(1, bytes(FIRST + 5))
    peer.answer(3, bytes(10))
    assert {stream: len(body) for stream, body in bodies(peer.frames()).items()} == {1: FIRST}
    assert (peer.engine.has_output, peer.engine.queued(0), peer.engine.queued(1)) == (False, 0, 5)
    peer.receive(window_update(0, 15))
    assert {stream: len(body) for stream, body in bodies(peer.frames()).items()} == {1: 5, 3: 10}


def test_heads_and_empty_ends_need_no_window() -> None:
    peer = Peer()
    peer.receive(frame(SETTINGS, 0, 0, setting(4, 0)), headers(1), headers(3), headers(5, [*GET, (b"te", b"trailers")]))
    peer.answer(1, b"")
    peer.send(ResponseHead(3, 200, []), ResponseEnd(3))
    peer.send(ResponseHead(5, 200, [], trailers=True), ResponseEnd(5, [(b"x", b"y")]))
    assert len(peer.frames()) == 1 + 1 + 2 + 2
    assert peer.engine.take_finished() == [1, 3, 5]


def test_a_window_may_fall_under_nothing() -> None:
    peer = Peer()
    peer.receive(headers(1))
    peer.answer(1, bytes(100_000))
    assert len(bodies(peer.frames())[1]) == FIRST
    peer.receive(frame(SETTINGS, 0, 0, setting(4, 100)), window_update(0, 10**6))  # the stream's window is 100 - 65535 now
    assert bodies(peer.frames()) == {}
    peer.receive(window_update(1, FIRST - 100))
    assert bodies(peer.frames()) == {}
    peer.receive(window_update(1, 3))
    assert len(bodies(peer.frames())[1]) == 3


def test_the_last_of_two_first_windows_counts() -> None:
    peer = Peer()
    peer.receive(headers(1), frame(SETTINGS, 0, 0, setting(4, 1) + setting(4, 5)))
    peer.answer(1, b"0123456789")
    assert bodies(peer.frames()) == {1: b"01234"}
    peer.receive(frame(SETTINGS, 0, 0, setting(4, MAX_WINDOW)))
    assert bodies(peer.frames()) == {1: b"56789"}


def test_a_take_is_about_64_kib() -> None:
    peer = Peer()
    peer.receive(frame(SETTINGS, 0, 0, setting(4, MAX_WINDOW)), window_update(0, MAX_WINDOW - FIRST), headers(1))
    peer.taken()
    peer.answer(1, bytes(MIB))
    takes: list[int] = []
    while peer.engine.has_output:
        (part,) = peer.engine.take_output()
        takes.append(len(part))
    assert max(takes) <= 65 * KIB
    assert len(takes) == 16
    assert peer.engine.take_output() == []


def test_small_pieces_leave_in_one_frame() -> None:
    peer = Peer()
    peer.receive(headers(1))
    peer.send(ResponseHead(1, 200, []), *(ResponseData(1, b"%d;" % number) for number in range(100)))
    head, body = peer.frames()
    assert (head.kind, body.kind, body.payload) == (HEADERS, DATA, b"".join(b"%d;" % number for number in range(100)))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("send"), st.integers(0, 2), st.integers(1, 40_000)),
            st.tuples(st.just("widen"), st.integers(0, 3), st.integers(1, 40_000)),
            st.tuples(st.just("first"), st.just(0), st.integers(0, 100_000)),
            st.tuples(st.just("take"), st.just(0), st.just(0)),
        ),
        max_size=40,
    )
)
def test_no_window_is_overrun_and_nothing_is_lost(steps: list[tuple[str, int, int]]) -> None:
    peer = Peer()
    ids = (1, 3, 5)
    peer.receive(*map(headers, ids))
    peer.send(*(ResponseHead(stream_id, 200, []) for stream_id in ids))
    first, windows = FIRST, {0: FIRST, 1: FIRST, 3: FIRST, 5: FIRST}
    given_bytes, taken_bytes = {1: b"", 3: b"", 5: b""}, {1: b"", 3: b"", 5: b""}
    number = 0

    def take() -> None:
        for stream_id, body in bodies(peer.frames()).items():
            taken_bytes[stream_id] += body
            windows[stream_id] -= len(body)
            windows[0] -= len(body)
            assert windows[0] >= 0
            assert not body or windows[stream_id] >= 0
            assert given_bytes[stream_id].startswith(taken_bytes[stream_id])
            assert peer.engine.queued(stream_id) == len(given_bytes[stream_id]) - len(taken_bytes[stream_id])

    for step, which, size in steps:
        if step == "send":
            number += 1
            piece = bytes([number % 256]) * size
            given_bytes[ids[which]] += piece
            peer.send(ResponseData(ids[which], piece))
        elif step == "widen":
            stream_id = (0, *ids)[which]
            windows[stream_id] += size
            peer.receive(window_update(stream_id, size))
        elif step == "first":
            take()
            for stream_id in ids:
                windows[stream_id] += size - first
            first = size
            peer.receive(frame(SETTINGS, 0, 0, setting(4, size)))
        else:
            take()
    for stream_id in (0, *ids):
        peer.receive(window_update(stream_id, 10**8))
        windows[stream_id] += 10**8
    peer.send(*(ResponseEnd(stream_id) for stream_id in ids))
    take()
    assert taken_bytes == given_bytes
    assert sorted(peer.engine.take_finished()) == [1, 3, 5]
