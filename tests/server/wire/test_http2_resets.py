"""Streams that end before their time, by either side: who is told, and what is still said."""

from pagi.server.wire.events import Abort, ResponseData, ResponseEnd, ResponseHead, StreamReset
from pagi.server.wire.http2_frames import DATA, HEADERS, RST_STREAM, Code
from pagi.server.wire.http2_inflow import UnreadBudget
from tests.server.wire.http2_peer import POST, Peer, bodies, data, headers, rst


def test_an_abort_resets_the_stream_and_no_other() -> None:
    peer = Peer()
    peer.receive(headers(1), headers(3))
    peer.send(ResponseHead(1, 200, []), ResponseData(1, b"half"), Abort(1))
    peer.answer(3)
    frames = peer.frames()
    assert [(sent.kind, sent.stream_id) for sent in frames] == [(HEADERS, 1), (RST_STREAM, 1), (HEADERS, 3), (DATA, 3)]
    assert frames[1].payload[-1] == Code.INTERNAL_ERROR
    assert peer.engine.take_finished() == [1, 3]


def test_an_abort_of_a_whole_answer_cancels_it() -> None:
    peer = Peer()
    peer.receive(headers(1, POST, ends=False))
    peer.answer(1)
    peer.send(Abort(1), Abort(1))
    assert peer.resets() == [(1, Code.CANCEL)]
    assert peer.engine.take_finished() == [1]


def test_a_reset_of_the_client_is_told_and_later_events_are_dropped() -> None:
    peer = Peer()
    peer.receive(headers(1), headers(3))
    peer.send(ResponseHead(1, 200, []), ResponseData(1, b"a"))
    assert peer.receive(rst(1)) == [StreamReset(1)]
    peer.send(ResponseData(1, b"b"), ResponseEnd(1), ResponseEnd(1), Abort(1))
    peer.answer(3)
    assert bodies(peer.frames()) == {3: b"ok"}
    assert peer.receive(rst(1)) == []


def test_a_request_that_is_reset_in_its_own_read_never_was() -> None:
    peer = Peer()
    assert peer.receive(headers(1), rst(1), headers(3, POST, ends=False), data(3, b"a"), rst(3)) == []
    assert (peer.engine.open_streams, peer.budget.used) == (0, 0)


def test_a_released_stream_whose_request_goes_on_is_reset_without_an_error() -> None:
    peer = Peer()
    peer.receive(headers(1, POST, ends=False))
    peer.answer(1)
    peer.engine.release(1)
    frames = peer.frames()
    assert [sent.kind for sent in frames] == [HEADERS, DATA, RST_STREAM]
    assert frames[2].payload[-1] == Code.NO_ERROR
    assert peer.receive(data(1, b"on its way"), data(1, b"", ends=True)) == []
    assert not peer.engine.closing


def test_so_is_one_that_is_released_after_its_answer_left() -> None:
    peer = Peer()
    peer.receive(headers(1, POST, ends=False))
    peer.answer(1)
    peer.frames()
    peer.engine.release(1)
    assert peer.resets() == [(1, Code.NO_ERROR)]
    assert peer.engine.open_streams == 0
    peer.engine.release(1)
    assert peer.frames() == []


def test_a_released_stream_without_a_whole_answer_is_an_error_of_ours() -> None:
    peer = Peer()
    peer.receive(headers(1))
    peer.engine.release(1)
    assert peer.resets() == [(1, Code.INTERNAL_ERROR)]


def test_an_answer_after_a_body_unread_gives_its_bytes_back() -> None:
    budget = UnreadBudget(1000)
    peer = Peer(budget=budget)
    peer.receive(headers(1, POST, ends=False), data(1, b"a" * 600))
    assert budget.used == 600
    peer.answer(1)
    peer.engine.release(1)
    assert budget.used == 0
