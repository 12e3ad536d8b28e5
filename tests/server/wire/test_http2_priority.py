"""Who is sent first (RFC 9218): by urgency, then whole answers one after another, and all others in turns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagi.server.wire.events import ResponseData, ResponseEnd, ResponseHead
from pagi.server.wire.http2_frames import DATA, FRAME_BYTES, PRIORITY_UPDATE, SETTINGS
from pagi.server.wire.http2_priority import read_priority
from pagi.server.wire.http2_schedule import Schedule
from pagi.server.wire.http2_streams import Place, Stream
from tests.server.wire.http2_peer import GET, Peer, frame, headers, rst, setting, window_update, word

LARGE = 3 * FRAME_BYTES


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"", (3, False)),
        (b"u=0", (0, False)),
        (b"u=7, i", (7, True)),
        (b"i", (3, True)),
        (b"i=?1", (3, True)),
        (b"i=?0", (3, False)),
        (b"i;x=1, u=2;y", (2, True)),
        (b"u=1,u=2", (2, False)),
        (b"  u=5 ,\ti ", (5, True)),
        (b'other="text", u=4', (4, False)),
        (b"u=8", (3, False)),
        (b"u=-1", (3, False)),
        (b"u=1.5", (3, False)),
        (b"u", (3, False)),
        (b"i=1", (3, False)),
        (b"U=1", (3, False)),
        (b"u=1, ???", (3, False)),
        (b"\xff\x00", (3, False)),
        (b"u=1" + b" " * 100, (3, False)),
    ],
)
def test_a_priority_is_read(value: bytes, expected: tuple[int, bool]) -> None:
    assert read_priority(value) == expected


@given(st.binary(max_size=80))
def test_any_bytes_are_some_priority(value: bytes) -> None:
    urgency, incremental = read_priority(value)
    assert urgency in range(8)
    assert incremental in (True, False)


# ---- the schedule alone


def stream(stream_id: int, urgency: int = 3, *, ends: bool = True, incremental: bool = False) -> Stream:
    return Stream(stream_id, 0, 0, urgency=urgency, ends=ends, incremental=incremental)


def turns(schedule: Schedule, frames: dict[int, int], most: int = 1000) -> list[int]:
    """Whose turn it is, until each has sent its `frames`."""
    order: list[int] = []
    while len(order) < most and (turn := schedule.next()) is not None:
        order.append(turn.stream_id)
        frames[turn.stream_id] -= 1
        schedule.took_turn(turn, not frames[turn.stream_id])
    return order


def scheduled(*streams: Stream) -> Schedule:
    schedule = Schedule()
    for each in streams:
        schedule.add(each)
    return schedule


def test_the_more_urgent_goes_first() -> None:
    schedule = scheduled(stream(1, 7), stream(3, 0), stream(5, 3))
    assert turns(schedule, {1: 2, 3: 2, 5: 2}) == [3, 3, 5, 5, 1, 1]
    assert schedule.size == 0


def test_whole_answers_go_one_after_another_in_the_order_they_were_asked_for() -> None:
    assert turns(scheduled(stream(5), stream(1), stream(3)), {1: 2, 3: 1, 5: 2}) == [1, 1, 3, 5, 5]


def test_answers_of_use_in_parts_take_turns() -> None:
    streams = [stream(stream_id, incremental=True) for stream_id in (1, 3, 5)]
    assert turns(scheduled(*streams), {1: 1, 3: 3, 5: 2}) == [1, 3, 5, 3, 5, 3]


def test_answers_whose_end_is_not_known_take_turns_with_the_others() -> None:
    endless = [stream(1, ends=False), stream(3, ends=False)]
    order = turns(scheduled(*endless, stream(5), stream(7)), {1: 100, 3: 100, 5: 2, 7: 2}, 12)
    assert order == [1, 3, 5, 1, 3, 5, 1, 3, 7, 1, 3, 7]


def test_a_stream_without_end_starves_nobody() -> None:
    order = turns(
        scheduled(stream(1, ends=False), *(stream(3 + 2 * number) for number in range(10))),
        {1: 10**6} | dict.fromkeys(range(3, 23, 2), 1),
        22,
    )
    assert set(order) == {1, *range(3, 23, 2)}


def test_an_end_that_becomes_known_makes_a_stream_one_of_the_whole() -> None:
    late = stream(1, ends=False)
    schedule = scheduled(stream(3, incremental=True), late, stream(5))
    late.ends = True
    schedule.end_known(late)
    assert turns(schedule, {1: 2, 3: 2, 5: 2}) == [3, 1, 3, 1, 5, 5]


@given(
    st.lists(
        st.tuples(st.sampled_from(["add", "discard", "move", "end", "turn"]), st.integers(0, 5), st.integers(0, 7), st.booleans()),
        max_size=80,
    )
)
def test_everybody_in_it_gets_a_turn_and_nobody_else(steps: list[tuple[str, int, int, bool]]) -> None:
    streams = [stream(2 * number + 1, ends=False) for number in range(6)]
    schedule, inside = Schedule(), set[int]()
    for step, which, urgency, flag in steps:
        one = streams[which]
        if step == "add":
            schedule.add(one)
            inside.add(one.stream_id)
        elif step == "discard":
            schedule.discard(one)
            inside.discard(one.stream_id)
        elif step == "move":
            schedule.move(one, urgency, flag)
        elif step == "end":
            one.ends = True
            schedule.end_known(one)
        else:
            turn = schedule.next()
            assert (turn is None) == (not inside)
            if turn is not None:
                assert turn.stream_id in inside
                assert turn.urgency == min(each.urgency for each in streams if each.stream_id in inside)
                schedule.took_turn(turn, flag)
                if flag:
                    inside.discard(turn.stream_id)
        assert schedule.size == len(inside)
        assert {each.stream_id for each in streams if each.place is not Place.NOWHERE} == inside
    assert set(turns(schedule, dict.fromkeys(inside, 3))) == inside


# ---- in the engine


def peer_with(*priorities: bytes, before: bytes = b"") -> Peer:
    """A peer with one request for each priority, and wide windows."""
    peer = Peer()
    peer.receive(before, frame(SETTINGS, 0, 0, setting(4, 10**6)), window_update(0, 10**7))
    for number, priority in enumerate(priorities):
        peer.receive(headers(2 * number + 1, [*GET, (b"priority", priority)] if priority else GET))
    peer.frames()
    return peer


def order(peer: Peer) -> list[int]:
    """The streams of the DATA frames that are sent now."""
    return [sent.stream_id for sent in peer.frames() if sent.kind == DATA]


def test_the_priority_field_is_honoured() -> None:
    peer = peer_with(b"u=5", b"", b"u=1")
    for stream_id in (1, 3, 5):
        peer.answer(stream_id, bytes(LARGE))
    assert order(peer) == [5, 5, 5, 3, 3, 3, 1, 1, 1]


def test_heads_go_before_any_body() -> None:
    peer = peer_with(b"u=0", b"u=7")
    peer.answer(1, bytes(LARGE))
    peer.answer(3, bytes(LARGE))
    assert [sent.kind for sent in peer.frames()][:2] == [1, 1]


def test_an_update_changes_the_order_in_the_middle() -> None:
    peer = peer_with(b"", b"")
    for stream_id in (1, 3):
        peer.answer(stream_id, bytes(6 * FRAME_BYTES))
    first = peer.engine.take_output()
    assert len(first[0]) > 4 * FRAME_BYTES
    peer.receive(frame(PRIORITY_UPDATE, 0, 0, word(3) + b"u=2"))
    assert order(peer) == [3] * 6 + [1] * 2


def test_an_update_may_come_before_its_stream_and_overrules_the_field() -> None:
    peer = peer_with(b"u=6", b"u=1", before=frame(PRIORITY_UPDATE, 0, 0, word(1) + b"u=0"))
    for stream_id in (1, 3):
        peer.answer(stream_id, bytes(LARGE))
    assert order(peer) == [1, 1, 1, 3, 3, 3]


def test_an_update_for_a_stream_that_is_over_is_nothing() -> None:
    peer = peer_with(b"")
    peer.answer(1)
    order(peer)
    peer.engine.release(1)
    assert peer.receive(frame(PRIORITY_UPDATE, 0, 0, word(1) + b"u=0")) == []


def test_an_event_stream_and_a_download_share() -> None:
    peer = peer_with(b"", b"")
    peer.send(ResponseHead(1, 200, []), ResponseData(1, bytes(LARGE)))
    peer.answer(3, bytes(LARGE))
    assert order(peer) == [1, 3, 1, 3, 1, 3]


def test_a_blocked_stream_does_not_stand_in_the_way() -> None:
    peer = peer_with(b"u=0", b"u=7")
    peer.answer(1, bytes(10**6 + 10))
    assert set(order(peer)) == {1}
    peer.answer(3, b"later")
    assert order(peer) == [3]
    peer.receive(window_update(1, 100))
    assert order(peer) == [1]


def test_a_reset_stream_leaves_the_others_their_turns() -> None:
    peer = peer_with(b"", b"i", b"")
    for stream_id in (1, 3, 5):
        peer.answer(stream_id, bytes(LARGE))
    peer.receive(rst(1), rst(3))
    assert order(peer) == [5, 5, 5]


def test_a_streamed_answer_that_ends_goes_with_the_whole_ones() -> None:
    peer = peer_with(b"", b"")
    peer.send(ResponseHead(3, 200, []), ResponseData(3, bytes(LARGE)), ResponseEnd(3))
    peer.answer(1, bytes(LARGE))
    assert order(peer) == [1, 1, 1, 3, 3, 3]
