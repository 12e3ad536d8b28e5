"""The HTTP/2 engine under whatever comes: no error leaves it, it always comes to an end, and it accepts nothing that h2 refuses."""

import random
from contextlib import suppress
from itertools import pairwise

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.exceptions import ProtocolError
from hypothesis import given, settings
from hypothesis import strategies as st

from pagi.http.errors import AppError
from pagi.server.wire.events import (
    Abort,
    Answer,
    BodyData,
    BodyEnd,
    Event,
    Fault,
    InputEnded,
    Request,
    ResponseData,
    ResponseEnd,
    ResponseHead,
    StreamReset,
)
from pagi.server.wire.http2_frames import END_HEADERS, END_STREAM, GOAWAY, HEADERS, RST_STREAM
from tests.server.wire.http2_peer import GET, OPENING, POST, Peer, block, data, frame, headers, rst, setting, window_update, word

KINDS = st.one_of(st.integers(0, 9), st.just(16), st.integers(0, 255))
IDS = st.one_of(st.integers(0, 12), st.integers(0, 2**32 - 1))
PAYLOADS = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([b"", bytes(4), bytes(5), bytes(8), word(1), word(2**31 - 1), setting(4, 0), setting(4, 2**31 - 1), setting(1, 0)]),
    st.sampled_from([block(GET), block(POST), block([(b"x", b"y")]), block([*POST, (b"content-length", b"3")]), b"\x03abc\0\0\0"]),
)
FRAMES = st.builds(frame, KINDS, st.one_of(st.sampled_from([0, 1, 4, 5]), st.integers(0, 255)), IDS, PAYLOADS)
ODD = st.integers(0, 5).map(lambda number: 2 * number + 1)


def head_of_post(stream_id: int, ends: bool) -> bytes:
    return headers(stream_id, POST, ends=ends)


def some_data(stream_id: int, ends: bool) -> bytes:
    return data(stream_id, b"abc", ends=ends)


LIKELY = st.one_of(
    st.builds(head_of_post, ODD, st.booleans()),
    st.builds(some_data, ODD, st.booleans()),
    st.builds(window_update, st.integers(0, 7), st.integers(0, 2**31 - 1)),
    st.builds(rst, st.integers(0, 7)),
    FRAMES,
)


class Application:
    """Answers in one way or another, and keeps the books: every stream must be told of in order, and only while it may be."""

    def __init__(self, peer: Peer, seed: int) -> None:
        self.peer = peer
        self.luck = random.Random(seed)
        self.running: set[int] = set()
        self.reading: set[int] = set()
        self.over = False

    def hear(self, events: list[Event]) -> None:
        for event in events:
            assert not self.over
            stream_id = event.stream_id
            if isinstance(event, Request):
                assert stream_id not in self.running
                self.running.add(stream_id)
                if not event.complete:
                    self.reading.add(stream_id)
            elif isinstance(event, BodyData):
                assert event.data
                assert stream_id in self.reading
                self.peer.engine.consumed(stream_id, self.luck.randrange(len(event.data) + 1))
            elif isinstance(event, BodyEnd | StreamReset):
                assert stream_id in self.running
                assert isinstance(event, StreamReset) or stream_id in self.reading
                self.reading.discard(stream_id)
            elif isinstance(event, Fault) and stream_id:
                self.peer.send(Answer(stream_id, event.status, [], b"no"))
            else:
                assert isinstance(event, Fault | InputEnded)
                self.over = True
                assert isinstance(event, InputEnded) or self.peer.engine.closing
        for stream_id in {event.stream_id for event in events} & self.running:
            self.act(stream_id)

    def act(self, stream_id: int) -> None:
        for _ in range(self.luck.randrange(3)):
            size = self.luck.choice([0, 1, 100, 20_000])
            event = self.luck.choice(
                [
                    Answer(stream_id, 200, [(b"x", b"y")], bytes(size)),
                    ResponseHead(stream_id, 200, []),
                    ResponseData(stream_id, bytes(size)),
                    ResponseEnd(stream_id),
                    Abort(stream_id),
                ]
            )
            with suppress(AppError):
                self.peer.send(event)
        if self.luck.random() < 0.3:
            self.running.discard(stream_id)
            self.reading.discard(stream_id)
            self.peer.engine.release(stream_id)

    def end(self) -> None:
        for stream_id in sorted(self.running):
            self.peer.send(Abort(stream_id))
            self.peer.engine.release(stream_id)
        self.peer.engine.close_after()
        self.peer.engine.close_after()
        for sent in self.peer.frames():
            if sent.kind == GOAWAY:
                return
        assert self.peer.engine.closing


def run(pieces: list[bytes], seed: int) -> Peer:
    """Feeds an engine, answers, and ends."""
    peer = Peer(opened=False)
    application = Application(peer, seed)
    for piece in pieces:
        application.hear(peer.receive(piece))
        if application.luck.random() < 0.7:
            peer.frames()
        if application.luck.random() < 0.2:
            peer.engine.tick(0.3)
        assert peer.engine.queued(0) >= 0
    application.end()
    assert peer.budget.used == 0
    assert not peer.engine.has_output
    return peer


@settings(max_examples=400, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=8), st.integers(0, 2**16))
def test_any_bytes(pieces: list[bytes], seed: int) -> None:
    run([piece for piece in pieces if piece], seed)


@settings(max_examples=600, deadline=None)
@given(st.lists(LIKELY, max_size=30), st.integers(0, 2**16))
def test_any_frames(frames: list[bytes], seed: int) -> None:
    run([OPENING, *frames], seed)


@settings(max_examples=400, deadline=None)
@given(st.lists(LIKELY, max_size=20), st.data(), st.integers(0, 2**16))
def test_frames_with_wrong_bytes_in_any_pieces(frames: list[bytes], draw: st.DataObject, seed: int) -> None:
    whole = bytearray(OPENING + b"".join(frames))
    for _ in range(draw.draw(st.integers(0, 3))):
        whole[draw.draw(st.integers(0, len(whole) - 1))] = draw.draw(st.integers(0, 255))
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(whole)), max_size=10)))
    pieces = [bytes(whole[start:end]) for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    run([piece for piece in pieces if piece], seed)


def meaning(events: list[Event]) -> dict[int, tuple[object, ...]]:
    """What events say of each stream, however they were cut: the head, all of the body, its end, a reset."""
    said: dict[int, list[object]] = {}
    for event in events:
        of = said.setdefault(event.stream_id, [None, b"", False, None])
        if isinstance(event, Request):
            of[0], of[1], of[2] = event.head, event.body, event.complete
        elif isinstance(event, BodyData):
            of[1] = of[1] + event.data  # type: ignore[operator]
        elif isinstance(event, BodyEnd):
            of[2] = True
        else:
            of[3] = event
    return {stream_id: tuple(of) for stream_id, of in said.items()}


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 300), st.booleans()), max_size=20), st.lists(st.integers(0, 5000), max_size=20))
def test_input_means_the_same_in_any_pieces(uploads: list[tuple[int, int, bool]], cuts: list[int]) -> None:
    whole, open_ids, next_id = OPENING, list[int](), 1
    for which, size, ends in uploads:
        if which >= len(open_ids):
            open_ids.append(next_id)
            whole += headers(next_id, [*POST, (b"x", b"y" * size)], ends=False)
            next_id += 2
        else:
            whole += data(open_ids[which], bytes([which]) * size, ends=ends)
            if ends:
                del open_ids[which]
    at_once, in_pieces = Peer(opened=False), Peer(opened=False)
    events: list[Event] = []
    edges = [0, *sorted(cut % (len(whole) + 1) for cut in cuts), len(whole)]
    for start, end in pairwise(edges):
        if start < end:
            events += in_pieces.receive(whole[start:end])
    assert meaning(events) == meaning(at_once.receive(whole))


# ---- against h2


def judged(connection: H2Connection, sent: bytes) -> bool:
    """Whether h2 takes it, without a reset of its own."""
    try:
        connection.receive_data(sent)
    except ProtocolError:
        return False
    written = connection.data_to_send()
    at = 0
    while at < len(written):
        if written[at + 3] == RST_STREAM:
            return False
        at += 9 + int.from_bytes(written[at : at + 3], "big")
    return True


def accepted(peer: Peer, sent: bytes) -> bool:
    """Whether the engine does."""
    events = peer.receive(sent)
    return not any(isinstance(event, Fault) for event in events) and not any(each.kind == RST_STREAM for each in peer.frames())


def server() -> H2Connection:
    connection = H2Connection(H2Configuration(client_side=False, header_encoding=None))
    connection.initiate_connection()
    connection.receive_data(OPENING)
    connection.data_to_send()
    return connection


@settings(max_examples=600, deadline=None)
@given(st.lists(LIKELY.filter(lambda sent: sent[3] != GOAWAY), max_size=20))
def test_no_frame_is_accepted_that_h2_refuses(frames: list[bytes]) -> None:
    peer, judge = Peer(), server()
    for sent in frames:
        ours = accepted(peer, sent)
        if not judged(judge, sent):
            assert not ours
            return
        if not ours:
            return


PSEUDO = [b":method", b":path", b":scheme", b":authority", b":protocol"]
FIELD = st.tuples(
    st.sampled_from([*PSEUDO, b"host", b"te", b"x", b"X", b"content-length", b"cookie", b"connection"]),
    st.sampled_from(
        [b"", b"GET", b"CONNECT", b"OPTIONS", b"/", b"*", b"a", b"b", b"https", b"0", b"trailers", b" a", b"a\r", b"websocket"]
    ),
)


@settings(max_examples=1500, deadline=None)
@given(st.lists(FIELD, max_size=4), st.lists(st.integers(0, 4), max_size=4), st.permutations(list(GET)), st.booleans())
def test_no_head_is_accepted_that_h2_refuses(
    more: list[tuple[bytes, bytes]], places: list[int], fields: list[tuple[bytes, bytes]], ends: bool
) -> None:
    fields = list(fields)
    for field, place in zip(more, places, strict=False):
        fields.insert(place, field)
    flags = END_HEADERS | (END_STREAM if ends else 0)
    if accepted(Peer(), frame(HEADERS, flags, 1, block(fields))):
        # h2 joins cookies before it looks for blanks at the ends of a value: with an empty one it finds its own.
        assert judged(server(), frame(HEADERS, flags, 1, block([field for field in fields if field != (b"cookie", b"")])))
