"""The end of an HTTP/2 connection, by either side (RFC 9113 section 6.8): nothing that was asked is lost."""

from pagi.server.wire.events import Fault, InputEnded
from pagi.server.wire.http2_frames import ACK, DATA, GOAWAY, HEADERS, MAX_STREAM_ID, PING, RST_STREAM, Code
from tests.server.wire.http2_peer import OPENING, POST, Frame, Peer, bodies, data, frame, headers, rst, word

GO = frame(GOAWAY, 0, 0, word(0, 0))


def last_id(sent: Frame) -> int:
    """The stream that a GOAWAY names."""
    assert sent.kind == GOAWAY
    return int.from_bytes(sent.payload[:4], "big")


def pong(peer: Peer) -> bytes:
    """The client's answer to the PING that comes with our first GOAWAY."""
    goaway, ping = peer.frames()
    assert (last_id(goaway), ping.kind, ping.flags) == (MAX_STREAM_ID, PING, 0)
    return frame(PING, ACK, 0, ping.payload)


def test_a_client_that_goes_gets_all_its_answers() -> None:
    peer = Peer()
    ids = range(1, 41, 2)
    peer.receive(*map(headers, ids))
    assert peer.receive(GO) == []
    for stream_id in ids:
        assert not peer.engine.closing
        peer.answer(stream_id, b"%d" % stream_id)
    assert bodies(peer.frames()) == {stream_id: b"%d" % stream_id for stream_id in ids}
    assert peer.engine.closing


def test_a_client_that_goes_may_still_send_a_body() -> None:
    peer = Peer()
    peer.receive(headers(1, POST, ends=False), GO)
    peer.receive(data(1, b"a", ends=True))
    peer.answer(1)
    assert bodies(peer.frames()) == {1: b"ok"}
    assert peer.engine.closing


def test_a_client_that_goes_with_an_error_is_served_as_well() -> None:
    peer = Peer()
    peer.receive(headers(1), frame(GOAWAY, 0, 0, word(0, Code.INTERNAL_ERROR) + b"debug data"))
    peer.answer(1)
    assert bodies(peer.frames()) == {1: b"ok"}
    assert peer.engine.closing


def test_a_client_that_goes_idle_is_gone() -> None:
    peer = Peer()
    assert peer.receive(GO) == []
    assert peer.engine.closing


def test_a_client_that_goes_and_resets_the_last_stream_is_gone() -> None:
    peer = Peer()
    peer.receive(headers(1))
    peer.receive(GO, rst(1))
    assert peer.engine.closing


def test_we_go_in_two_steps_while_streams_remain() -> None:
    peer = Peer()
    peer.receive(headers(1))
    peer.engine.close_after()
    answer = pong(peer)
    assert peer.request(headers(3)).stream_id == 3  # sent before the client heard of it
    assert peer.receive(answer) == []
    (goaway,) = peer.frames()
    assert last_id(goaway) == 3
    assert peer.receive(headers(5)) == []
    assert peer.resets() == [(5, Code.REFUSED_STREAM)]
    peer.answer(1)
    assert bodies(peer.frames()) == {1: b"ok"}
    assert not peer.engine.closing
    peer.answer(3)
    assert bodies(peer.frames()) == {3: b"ok"}
    assert peer.engine.closing


def test_a_second_call_does_not_wait_for_the_client() -> None:
    peer = Peer()
    peer.receive(headers(1))
    peer.engine.close_after()
    answer = pong(peer)
    peer.engine.close_after()
    assert [last_id(sent) for sent in peer.frames()] == [1]
    peer.engine.close_after()
    assert peer.receive(answer) == []
    assert peer.frames() == []
    peer.answer(1)
    peer.frames()
    assert peer.engine.closing


def test_an_idle_connection_is_closed_once_the_client_knows() -> None:
    peer = Peer()
    peer.engine.close_after()
    answer = pong(peer)
    assert not peer.engine.closing
    peer.receive(answer)
    assert not peer.engine.closing  # the last GOAWAY is still to be taken
    assert [last_id(sent) for sent in peer.frames()] == [0]
    assert peer.engine.closing


def test_another_pong_is_not_the_one() -> None:
    peer = Peer()
    peer.receive(headers(1))
    peer.engine.close_after()
    pong(peer)
    peer.receive(frame(PING, ACK, 0, b"whatever"))
    assert peer.frames() == []
    early = Peer()
    early.receive(frame(PING, ACK, 0, b"pagi end"))
    early.engine.close_after()
    assert len(early.frames()) == 2


def test_a_stream_without_end_keeps_the_connection_until_it_ends() -> None:
    peer = Peer()
    peer.receive(headers(1, POST, ends=False))
    peer.engine.close_after()
    peer.engine.close_after()
    peer.answer(1)
    peer.frames()
    assert not peer.engine.closing
    peer.engine.release(1)
    assert [sent.kind for sent in peer.frames()] == [RST_STREAM]
    assert peer.engine.closing


def test_a_body_that_waits_for_a_window_keeps_the_connection() -> None:
    peer = Peer()
    peer.receive(headers(1))
    peer.engine.close_after()
    peer.engine.close_after()
    peer.answer(1, bytes(70_000))
    assert [sent.kind for sent in peer.frames()][:4] == [GOAWAY, PING, GOAWAY, HEADERS]
    assert not peer.engine.closing
    peer.receive(frame(8, 0, 1, word(10_000)), frame(8, 0, 0, word(10_000)))
    assert [sent.kind for sent in peer.frames()] == [DATA]
    assert peer.engine.closing


def test_the_end_may_be_announced_before_the_client_has_begun() -> None:
    peer = Peer(opened=False)
    peer.engine.close_after()
    answer = pong(peer)
    assert peer.request(OPENING, headers(1)).stream_id == 1
    peer.frames()
    peer.receive(answer)
    peer.answer(1)
    peer.frames()
    assert peer.engine.closing


def test_a_fault_ends_a_connection_that_is_ending() -> None:
    peer = Peer()
    peer.receive(headers(1))
    peer.engine.close_after()
    peer.frames()
    (fault,) = peer.receive(data(0, b""))
    assert isinstance(fault, Fault)
    assert peer.goaway() == (1, Code.PROTOCOL_ERROR)
    peer.engine.close_after()
    assert peer.frames() == []


def test_end_of_input_in_the_middle_of_a_frame_is_the_end_of_input() -> None:
    peer = Peer()
    peer.receive(headers(1)[:5])
    assert peer.receive(b"") == [InputEnded(0)]
    assert peer.engine.closing
    assert peer.receive(b"") == []


def test_everything_may_be_called_on_a_connection_that_is_over() -> None:
    peer = Peer()
    peer.receive(headers(1, POST, ends=False), data(1, b"a"))
    peer.receive(data(0, b""))
    peer.frames()
    peer.answer(1)
    peer.engine.consumed(1, 1)
    peer.engine.tick(1)
    peer.engine.close_after()
    peer.engine.release(1)
    peer.engine.release(1)
    assert (peer.frames(), peer.budget.used, peer.engine.queued(0), peer.engine.queued(1), peer.engine.sent(1)) == ([], 0, 0, 0, 0)
