"""What a client may make us do for nothing: every flood ends by its own limit, and the streams beside it live where they can."""

from collections.abc import Callable

import msgspec
import pytest
from hpack import Encoder

from pagi.server.options import HTTP1Options, HTTP2Options
from pagi.server.wire.events import Fault, Request, ResponseData, ResponseHead, StreamReset
from pagi.server.wire.http2_frames import (
    ACK,
    CONTINUATION,
    END_HEADERS,
    GOAWAY,
    HEADERS,
    PADDED,
    PING,
    PRIORITY,
    PRIORITY_UPDATE,
    SETTINGS,
    Code,
)
from pagi.server.wire.http2_streams import MAX_REMEMBERED_ENDS, MAX_REMEMBERED_RESETS, Fate, Stream, Streams
from tests.server.wire.http2_peer import (
    GET,
    POST,
    Peer,
    block,
    bodies,
    data,
    frame,
    headers,
    resets,
    rst,
    setting,
    split_head,
    window_update,
    word,
)

BURST = 5
LIMITS = HTTP2Options(
    h2_reset_burst=BURST,
    h2_reset_rate=2,
    h2_ping_burst=BURST,
    h2_ping_rate=2,
    h2_settings_burst=BURST + 1,  # the opening spends one
    h2_settings_rate=2,
    h2_empty_data_burst=BURST,
    h2_empty_data_rate=2,
    h2_window_update_burst=BURST,
    h2_window_update_rate=2,
    h2_other_frame_burst=BURST,
    h2_other_frame_rate=2,
)

FLOODS: dict[str, Callable[[int], bytes]] = {
    "requests that are reset at once": lambda number: headers(2 * number + 101) + rst(2 * number + 101),
    "resets of a stream that is over": lambda number: rst(1),
    "requests that we must reset": lambda number: headers(2 * number + 101, GET[1:]),
    "bodies longer than declared": lambda number: (
        headers(2 * number + 101, [*POST, (b"content-length", b"0")], ends=False) + data(2 * number + 101, b"a")
    ),
    "windows of 0": lambda number: headers(2 * number + 101) + window_update(2 * number + 101, 0),
    "windows over the maximum": lambda number: headers(2 * number + 101) + window_update(2 * number + 101, 2**31 - 1),
    "streams that depend on themselves": lambda number: (
        headers(2 * number + 101) + frame(PRIORITY, 0, 2 * number + 101, word(2 * number + 101) + b"\0")
    ),
    "DATA behind the end": lambda number: headers(2 * number + 101) + data(2 * number + 101, b"a"),
    "PING": lambda number: frame(PING, 0, 0, bytes(8)),
    "answers to no PING": lambda number: frame(PING, ACK, 0, bytes(8)),
    "SETTINGS": lambda number: frame(SETTINGS, 0, 0, setting(4, 65535 + number)),
    "acknowledgements": lambda number: frame(SETTINGS, ACK, 0),
    "empty DATA": lambda number: data(3, b""),
    "DATA of nothing but padding": lambda number: data(3, b"\x02\0\0", flags=PADDED),
    "empty DATA for a stream that is over": lambda number: data(5, b""),
    "WINDOW_UPDATE": lambda number: window_update(0, 1),
    "WINDOW_UPDATE of a stream": lambda number: window_update(3, 1),
    "WINDOW_UPDATE for a stream that is over": lambda number: window_update(1, 1),
    "PRIORITY": lambda number: frame(PRIORITY, 0, 2 * number + 101, word(0) + b"\0"),
    "PRIORITY_UPDATE": lambda number: frame(PRIORITY_UPDATE, 0, 0, word(3) + b"u=%d" % (number % 8)),
    "unknown frames": lambda number: frame(0xFA, 0, 0, b"grease"),
    "GOAWAY": lambda number: frame(GOAWAY, 0, 0, word(0, 0)),
}


def flooded(**options: int) -> Peer:
    """A connection with low limits; stream 1 is over, 3 open, 5 was reset by us."""
    peer = Peer(options=msgspec.structs.replace(LIMITS, **options))
    peer.receive(headers(1), headers(3, POST, ends=False), headers(5, POST, ends=False))
    peer.answer(1)
    peer.answer(5)
    peer.engine.release(1)
    peer.engine.release(5)
    peer.frames()
    return peer


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS.keys())
def test_a_flood_ends_the_connection_past_its_burst(flood: Callable[[int], bytes]) -> None:
    peer = flooded()
    for number in range(BURST):
        assert not any(isinstance(event, Fault) for event in peer.receive(flood(number)))
    (fault,) = peer.receive(flood(BURST))
    assert isinstance(fault, Fault)
    assert (fault.stream_id, fault.status) == (0, 429)
    assert peer.goaway()[1] is Code.ENHANCE_YOUR_CALM
    assert peer.engine.closing


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS.keys())
def test_a_flood_in_one_read_ends_there_too(flood: Callable[[int], bytes]) -> None:
    peer = flooded()
    events = peer.receive(*map(flood, range(1000)))
    assert [type(event) for event in events] == [Fault]
    assert len(peer.taken()) < 2000


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS.keys())
def test_within_its_rate_it_goes_on_and_other_streams_live(flood: Callable[[int], bytes]) -> None:
    peer = flooded()
    for number in range(40):
        assert not any(isinstance(event, Fault) for event in peer.receive(flood(number)))
        peer.engine.tick(0.5)
    peer.answer(3, b"still")
    assert bodies(peer.frames()) == {3: b"still"}


def test_time_gives_back_no_more_than_the_burst() -> None:
    peer = flooded()
    peer.engine.tick(10**6)
    for number in range(BURST):
        assert peer.receive(FLOODS["PING"](number)) == []
    assert isinstance(peer.receive(FLOODS["PING"](BURST))[0], Fault)


def test_each_kind_has_a_limit_of_its_own() -> None:
    peer = flooded()
    for name in ("PING", "SETTINGS", "WINDOW_UPDATE", "unknown frames", "empty DATA", "requests that we must reset"):
        for number in range(BURST):
            assert peer.receive(FLOODS[name](number)) == []
    assert not peer.engine.closing


def test_the_defaults_let_a_browser_cancel_a_page_of_images() -> None:
    peer = Peer()
    for number in range(500):
        stream_id = 2 * number + 1
        assert isinstance(peer.receive(headers(stream_id))[0], Request)
        assert peer.receive(rst(stream_id)) == [StreamReset(stream_id)]
        peer.engine.release(stream_id)
    assert not peer.engine.closing


# ---- rapid reset, beside its rate


def test_a_reset_frees_no_place_while_the_exchange_runs() -> None:
    peer = Peer(h2_max_concurrent_streams=10)
    told = [event for number in range(30) for event in peer.receive(headers(2 * number + 1)) + peer.receive(rst(2 * number + 1))]
    assert sum(isinstance(event, Request) for event in told) == 20
    assert {code for _, code in peer.resets()} == {Code.REFUSED_STREAM}
    peer.engine.release(1)
    assert peer.request(headers(101)).stream_id == 101


def test_streams_over_the_limit_are_refused_and_may_come_again() -> None:
    peer = Peer(h2_max_concurrent_streams=2)
    assert len(peer.requests(headers(1), headers(3), headers(5, POST, ends=False))) == 2
    assert peer.resets() == [(5, Code.REFUSED_STREAM)]
    assert peer.receive(data(5, b"on its way", ends=True)) == []
    peer.answer(1)
    peer.frames()
    assert peer.request(headers(7)).stream_id == 7


def test_fields_of_a_refused_stream_are_still_learned() -> None:
    peer = Peer(h2_max_concurrent_streams=1)
    encoder = Encoder()
    peer.receive(frame(HEADERS, 5, 1, encoder.encode(GET)))
    peer.receive(frame(HEADERS, 5, 3, encoder.encode([*GET, (b"x", b"learned")])))
    peer.answer(1)
    peer.engine.release(1)
    peer.frames()
    request = peer.request(frame(HEADERS, 5, 5, encoder.encode([*GET, (b"x", b"learned")])))
    assert (b"x", b"learned") in request.head.headers


# ---- heads


def test_a_head_in_too_many_frames_ends_the_connection() -> None:
    peer = Peer(h2_max_continuations=4)
    assert peer.request(*split_head(1, [*GET, (b"x", b"y" * 50)], 4)).stream_id == 1
    (fault,) = peer.receive(*split_head(3, [*GET, (b"x", b"y" * 50)], 5))
    assert isinstance(fault, Fault)
    assert fault.status == 431
    assert peer.goaway()[1] is Code.ENHANCE_YOUR_CALM


def test_continuations_without_end_are_counted_though_they_are_empty() -> None:
    peer = Peer()
    (fault,) = peer.receive(frame(HEADERS, 0, 1, block(GET)), frame(CONTINUATION, 0, 1) * 1000)
    assert isinstance(fault, Fault)
    assert peer.goaway()[1] is Code.ENHANCE_YOUR_CALM


def test_a_block_that_is_packed_too_large_ends_the_connection() -> None:
    peer = Peer(h2_max_inflated_head_bytes=20_000)
    (fault,) = peer.receive(frame(HEADERS, 0, 1, bytes(16_000)), frame(CONTINUATION, 0, 1, bytes(5_000)))
    assert isinstance(fault, Fault)
    assert peer.goaway()[1] is Code.ENHANCE_YOUR_CALM


def test_a_bomb_ends_the_connection_before_it_unpacks() -> None:
    peer = Peer()
    peer.receive(frame(HEADERS, 5, 1, Encoder().encode([*GET, (b"x", b"y" * 4000)])))
    (fault,) = peer.receive(frame(HEADERS, 5, 3, b"\xbe" * 16_000))
    assert isinstance(fault, Fault)
    assert fault.status == 431
    assert peer.goaway()[1] is Code.ENHANCE_YOUR_CALM


def test_a_small_bomb_is_a_head_too_large() -> None:
    peer = Peer(http1=HTTP1Options(max_head_bytes=5000))
    encoder = Encoder()
    peer.receive(frame(HEADERS, 5, 1, encoder.encode([*GET, (b"x", b"y" * 2000)])))
    (fault,) = peer.receive(frame(HEADERS, 5, 3, encoder.encode([*GET, *[(b"x", b"y" * 2000)] * 3])))
    assert isinstance(fault, Fault)
    assert (fault.stream_id, fault.status) == (3, 431)
    assert peer.request(frame(HEADERS, 5, 5, encoder.encode(GET))).stream_id == 5


# ---- clients that do not read


def test_control_frames_for_a_client_that_does_not_read_are_bounded() -> None:
    peer = Peer(h2_max_control_bytes=1000, h2_ping_burst=10**6)
    for _ in range(1000 // 17):
        assert peer.receive(frame(PING, 0, 0, bytes(8))) == []  # and nobody takes the answers
    (fault,) = peer.receive(frame(PING, 0, 0, bytes(8)))
    assert isinstance(fault, Fault)
    assert peer.goaway()[1] is Code.ENHANCE_YOUR_CALM
    reading = Peer(h2_max_control_bytes=1000, h2_ping_burst=10**6)
    for _ in range(1000):
        assert reading.receive(frame(PING, 0, 0, bytes(8))) == []
        reading.taken()


def test_a_client_with_a_shut_window_costs_no_more_than_was_queued() -> None:
    peer = Peer()
    peer.receive(frame(SETTINGS, 0, 0, setting(4, 0)), headers(1))
    peer.send(ResponseHead(1, 200, []), ResponseData(1, bytes(1000)))
    assert bodies(peer.frames()) == {}
    assert (peer.engine.queued(1), peer.engine.sent(1), peer.engine.has_output) == (1000, 0, False)


def test_a_client_that_reads_by_single_bytes_ends_the_connection() -> None:
    peer = flooded(h2_window_update_burst=50)
    peer.receive(frame(SETTINGS, 0, 0, setting(4, 0)))
    peer.send(ResponseHead(3, 200, []), ResponseData(3, bytes(1000)))
    sent = 0
    for _ in range(50):
        assert peer.receive(window_update(3, 1)) == []
        sent += sum(map(len, bodies(peer.frames()).values()))
    assert sent == 50
    assert isinstance(peer.receive(window_update(3, 1))[0], Fault)


def test_a_client_that_says_of_every_frame_that_it_read_it_is_welcome() -> None:
    peer = flooded(h2_window_update_burst=50)
    peer.send(ResponseHead(3, 200, []))
    for _ in range(1000):
        peer.send(ResponseData(3, b"data: tick\n\n"))
        peer.frames()
        assert peer.receive(window_update(0, 12), window_update(3, 12)) == []


def test_settings_that_change_every_window_again_and_again_are_read_once() -> None:
    peer = Peer()
    peer.receive(*(headers(2 * number + 1) for number in range(100)))
    peer.frames()
    many = b"".join(setting(4, number) for number in range(2700))
    assert peer.receive(frame(SETTINGS, 0, 0, many)) == []
    peer.answer(1, b"a" * 3000)
    assert len(bodies(peer.frames())[1]) == 2699


def test_priorities_of_streams_to_come_are_bounded() -> None:
    peer = Peer(h2_max_concurrent_streams=3, h2_other_frame_burst=10**6)
    for stream_id in (*range(1, 201, 2), 5, 3):
        peer.receive(frame(PRIORITY_UPDATE, 0, 0, word(stream_id) + b"u=0"))
    peer.receive(headers(1), headers(3), headers(5))
    for stream_id in (1, 3, 5):
        peer.answer(stream_id, b"a")
    assert list(bodies(peer.frames())) == [3, 5, 1]  # of the first nobody knows that it was urgent


def test_streams_that_are_over_are_forgotten() -> None:
    streams = Streams()
    for number in range(5000):
        streams.last_id = 2 * number + 1
        stream = Stream(streams.last_id, 0, 0)
        streams.add(stream)
        streams.release(stream)
        streams.close(stream, Fate.RESET if number % 2 else Fate.ENDED)
    assert (len(streams), streams.open, streams.held) == (0, 0, 0)
    fates = [streams.fate(stream_id) for stream_id in range(1, 10_000, 2)]
    assert (fates.count(Fate.ENDED), fates.count(Fate.RESET)) == (MAX_REMEMBERED_ENDS, MAX_REMEMBERED_RESETS)
    assert set(fates[:100]) == {Fate.FORGOTTEN}


def test_resets_that_wait_are_told_apart() -> None:
    peer = Peer()
    peer.receive(headers(1, GET[1:]), headers(3, GET[1:], ends=False, flags=END_HEADERS))
    assert resets(peer.frames()) == [(1, Code.PROTOCOL_ERROR), (3, Code.PROTOCOL_ERROR)]
