"""The HTTP/2 engine with h2 as its client, in memory: what one says the other understands."""

import random

from h2 import events as lib
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.settings import SettingCodes
from hypothesis import given, settings
from hypothesis import strategies as st

from pagi.server.options import MIB
from pagi.server.wire.events import (
    Answer,
    BodyData,
    BodyEnd,
    Event,
    InformationalHead,
    Request,
    ResponseData,
    ResponseEnd,
    ResponseHead,
    StreamReset,
    TunnelOpened,
)
from pagi.server.wire.http2_frames import Code
from tests.server.wire.http2_peer import Peer

FIELDS = [(b":method", b"GET"), (b":scheme", b"https"), (b":path", b"/"), (b":authority", b"a.example")]


class Talk:
    """A client and an engine that hear each other, all at once or in pieces."""

    def __init__(self, seed: int | None = None) -> None:
        self.luck = random.Random(seed) if seed is not None else None
        self.peer = Peer(opened=False)
        self.client = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        self.client.initiate_connection()
        self.told: list[Event] = []
        """What the engine made of it."""
        self.heard: list[lib.Event] = []
        """What the client made of it."""
        self.client.receive_data(b"".join(_serialized(sent) for sent in self.peer.greeting))
        self.pass_on()

    def pieces(self, whole: bytes) -> list[bytes]:
        """The bytes as they arrive."""
        if self.luck is None or len(whole) < 2:
            return [whole] if whole else []
        edges = sorted(self.luck.sample(range(1, len(whole)), min(len(whole) - 1, self.luck.randrange(6))))
        return [whole[start:end] for start, end in zip([0, *edges], [*edges, len(whole)], strict=True)]

    def pass_on(self) -> None:
        """Both hear all that the other has said, until nobody has anything to say."""
        while True:
            asked = self.client.data_to_send()
            for piece in self.pieces(asked):
                self.told += self.peer.engine.receive(piece)
            answered = b"".join(self.peer.engine.take_output())
            for piece in self.pieces(answered):
                self.heard += self.client.receive_data(piece)
            if not asked and not answered and not self.peer.engine.has_output:
                return

    def ask(self, fields: list[tuple[bytes, bytes]] = FIELDS, body: bytes | None = None) -> int:
        """Begins a request; with a body its first part is sent, and the rest by `upload`."""
        stream_id = self.client.get_next_available_stream_id()
        self.client.send_headers(stream_id, fields, end_stream=body is None)
        self.pass_on()
        return stream_id

    def body_of(self, stream_id: int) -> bytes:
        """What the client got of an answer's body."""
        return b"".join(event.data for event in self.heard if isinstance(event, lib.DataReceived) and event.stream_id == stream_id)

    def of_kind(self, kind: type[lib.Event]) -> list[lib.Event]:
        """The client's events of one kind."""
        return [event for event in self.heard if isinstance(event, kind)]


def _serialized(sent: tuple[int, int, int, bytes]) -> bytes:
    kind, flags, stream_id, payload = sent
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream_id.to_bytes(4, "big") + payload


def test_a_client_learns_our_settings() -> None:
    remote = Talk().client.remote_settings
    assert (remote.max_concurrent_streams, remote.initial_window_size, remote.enable_connect_protocol) == (100, 256 * 1024, 1)
    assert remote.get(SettingCodes.MAX_HEADER_LIST_SIZE) == 16384 + 28 * 105


def test_a_question_and_its_answer() -> None:
    talk = Talk()
    stream_id = talk.ask()
    (request,) = talk.told
    assert isinstance(request, Request)
    assert request.head.headers == [(b"host", b"a.example")]
    talk.peer.send(Answer(stream_id, 200, [(b"content-type", b"text/plain")], b"hello"))
    talk.pass_on()
    (head,) = talk.of_kind(lib.ResponseReceived)
    assert isinstance(head, lib.ResponseReceived)
    assert [tuple(field) for field in head.headers or ()] == [
        (b":status", b"200"),
        (b"date", b"D"),
        (b"server", b"pagi"),
        (b"content-type", b"text/plain"),
        (b"content-length", b"5"),
    ]
    assert talk.body_of(stream_id) == b"hello"
    assert len(talk.of_kind(lib.StreamEnded)) == 1


def test_hints_and_trailers_arrive() -> None:
    talk = Talk()
    stream_id = talk.ask([*FIELDS, (b"te", b"trailers")])
    talk.peer.send(
        InformationalHead(stream_id, 103, [(b"link", b"</a.css>")]),
        ResponseHead(stream_id, 200, [], trailers=True),
        ResponseData(stream_id, b"body"),
        ResponseEnd(stream_id, [(b"x-sum", b"1")]),
    )
    talk.pass_on()
    kinds = [type(event) for event in talk.heard if type(event) not in (lib.SettingsAcknowledged, lib.RemoteSettingsChanged)]
    assert kinds == [lib.InformationalResponseReceived, lib.ResponseReceived, lib.DataReceived, lib.TrailersReceived, lib.StreamEnded]


def test_a_large_upload_flows_as_it_is_read() -> None:
    talk = Talk()
    stream_id = talk.ask([(b":method", b"POST"), *FIELDS[1:]], b"")
    body, at, got = bytes(range(256)) * (3 * MIB // 256), 0, b""
    while at < len(body):
        size = min(talk.client.local_flow_control_window(stream_id), 16384, len(body) - at)
        if size:
            talk.client.send_data(stream_id, body[at : at + size])
            at += size
        talk.pass_on()
        assert talk.peer.budget.used <= 256 * 1024
        if not size:
            got += _read(talk, stream_id)
    talk.client.end_stream(stream_id)
    talk.pass_on()
    got += _read(talk, stream_id)
    assert got == body
    assert talk.told == [BodyEnd(stream_id)]
    assert talk.peer.budget.used == 0


def _read(talk: Talk, stream_id: int) -> bytes:
    """The application reads what came."""
    parts = [event.body if isinstance(event, Request) else event.data for event in talk.told if isinstance(event, Request | BodyData)]
    talk.told = [event for event in talk.told if isinstance(event, BodyEnd)]
    talk.peer.engine.consumed(stream_id, sum(map(len, parts)))
    talk.pass_on()
    return b"".join(parts)


def test_a_large_download_flows_as_it_is_read() -> None:
    talk = Talk()
    stream_id = talk.ask()
    body = bytes(range(256)) * (2 * MIB // 256)
    talk.peer.send(Answer(stream_id, 200, [], body))
    acknowledged = 0
    talk.pass_on()
    while len(got := talk.body_of(stream_id)) < len(body):
        assert len(got) - acknowledged <= 65535
        talk.client.acknowledge_received_data(len(got) - acknowledged, stream_id)
        acknowledged = len(got)
        talk.pass_on()
    assert got == body


def test_a_tunnel_carries_both_ways() -> None:
    talk = Talk()
    fields = [(b":method", b"CONNECT"), (b":protocol", b"websocket"), *FIELDS[1:], (b"sec-websocket-version", b"13")]
    stream_id = talk.ask(fields, b"")
    talk.peer.send(TunnelOpened(stream_id, []))
    talk.client.send_data(stream_id, b"up")
    talk.pass_on()
    assert talk.told[1:] == [BodyData(stream_id, b"up")]
    talk.peer.send(ResponseData(stream_id, b"down"), ResponseEnd(stream_id))
    talk.pass_on()
    assert talk.body_of(stream_id) == b"down"


def test_resets_are_understood_both_ways() -> None:
    talk = Talk()
    first, second = talk.ask(), talk.ask([(b":method", b"POST"), *FIELDS[1:]], b"")
    talk.client.reset_stream(first, error_code=Code.CANCEL)
    talk.peer.engine.release(second)
    talk.pass_on()
    assert talk.told[2:] == [StreamReset(first)]
    (reset,) = talk.of_kind(lib.StreamReset)
    assert isinstance(reset, lib.StreamReset)
    assert (reset.stream_id, reset.error_code) == (second, Code.INTERNAL_ERROR)


def test_our_end_is_understood() -> None:
    talk = Talk()
    talk.ask()
    talk.peer.engine.close_after()
    (first, _) = talk.peer.frames()
    talk.heard += talk.client.receive_data(_serialized(first))  # h2 takes nothing after any GOAWAY
    (terminated,) = talk.of_kind(lib.ConnectionTerminated)
    assert isinstance(terminated, lib.ConnectionTerminated)
    assert (terminated.last_stream_id, terminated.error_code) == (2**31 - 1, Code.NO_ERROR)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60_000), st.integers(0, 60_000), st.booleans()), min_size=1, max_size=8), st.integers(0, 2**16))
def test_many_exchanges_in_any_pieces(sizes: list[tuple[int, int, bool]], seed: int) -> None:
    talk = Talk(seed)
    asked: dict[int, bytes] = {}
    answers: dict[int, bytes] = {}
    for number, (up, down, incremental) in enumerate(sizes):
        fields = [(b":method", b"POST"), *FIELDS[1:], (b"x-number", b"%d" % number), *([(b"priority", b"i")] if incremental else [])]
        stream_id = talk.ask(fields, b"")
        asked[stream_id], answers[stream_id] = bytes([number]) * up, bytes([number]) * down
    left = {stream_id: memoryview(body) for stream_id, body in asked.items()}
    while left:
        for stream_id, body in list(left.items()):
            size = min(talk.client.local_flow_control_window(stream_id), 16384, len(body))
            talk.client.send_data(stream_id, bytes(body[:size]), end_stream=size == len(body))
            left[stream_id] = body[size:]
            if size == len(body):
                del left[stream_id]
        talk.pass_on()
        for event in talk.told:
            if isinstance(event, BodyData):
                talk.peer.engine.consumed(event.stream_id, len(event.data))
    for stream_id, answer in answers.items():
        talk.peer.send(Answer(stream_id, 200, [], answer))
    talk.pass_on()
    acknowledged = dict.fromkeys(answers, 0)
    while any(len(talk.body_of(stream_id)) < len(answer) for stream_id, answer in answers.items()):
        for stream_id in answers:
            got = len(talk.body_of(stream_id))
            if got > acknowledged[stream_id]:
                talk.client.acknowledge_received_data(got - acknowledged[stream_id], stream_id)
                acknowledged[stream_id] = got
        talk.pass_on()
    got_up = dict.fromkeys(asked, b"")
    for event in talk.told:
        if isinstance(event, Request):
            got_up[event.stream_id] += event.body
        elif isinstance(event, BodyData):
            got_up[event.stream_id] += event.data
    assert got_up == asked
    assert {stream_id: talk.body_of(stream_id) for stream_id in answers} == answers
    assert sorted(talk.peer.engine.take_finished()) == sorted(answers)
    assert talk.peer.engine.open_streams == 0
