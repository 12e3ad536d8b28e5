"""The HTTP/2 engine over whole exchanges: what a request becomes, and how an answer leaves."""

import pytest

from pagi.server.wire.engine import Engine
from pagi.server.wire.events import (
    Answer,
    BodyData,
    BodyEnd,
    InformationalHead,
    InputEnded,
    Request,
    ResponseData,
    ResponseEnd,
    ResponseHead,
    TunnelOpened,
)
from pagi.server.wire.http2_frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PADDED,
    SETTINGS,
    WINDOW_UPDATE,
)
from tests.server.wire.http2_peer import (
    COMMON_FIELDS,
    GET,
    OPENING,
    POST,
    WEBSOCKET,
    Peer,
    bodies,
    data,
    frame,
    headers,
    setting,
    split_head,
)

HEAD = ((b":method", b"HEAD"), *GET[1:])


def test_it_meets_the_seam() -> None:
    engine: Engine = Peer().engine  # type: ignore[assignment]  # its output is bytes alone
    assert (engine.http_version, engine.waiting_bytes, engine.is_bypassed, engine.advance()) == ("2", 0, False, [])


def test_our_preface_is_there_before_the_clients() -> None:
    peer = Peer(opened=False)
    assert [(sent.kind, sent.flags, sent.stream_id) for sent in peer.greeting] == [(SETTINGS, 0, 0), (WINDOW_UPDATE, 0, 0)]
    settings = peer.greeting[0].payload
    assert setting(0x3, 100) in settings  # streams
    assert setting(0x4, 256 * 1024) in settings  # window
    assert setting(0x8, 1) in settings  # extended CONNECT


def test_a_request_without_a_body_is_complete_at_once() -> None:
    peer = Peer()
    request = peer.request(headers(1))
    assert (request.stream_id, request.body, request.complete) == (1, b"", True)
    head = request.head
    assert (head.method, head.target, head.http_version, head.headers) == ("GET", b"/", "2", [(b"host", b"a")])
    assert (head.keep_alive, head.content_length, head.has_body, head.tunnel) == (True, None, False, None)


def test_a_whole_answer_is_a_head_and_a_body_that_ends() -> None:
    peer = Peer()
    peer.receive(headers(1))
    peer.send(Answer(1, 200, [(b"Content-Type", b"text/plain")], b"hello"))
    head, body = peer.frames()
    assert (head.kind, head.flags, head.stream_id) == (HEADERS, END_HEADERS, 1)
    assert peer.fields(head) == [(b":status", b"200"), *COMMON_FIELDS, (b"content-type", b"text/plain"), (b"content-length", b"5")]
    assert body == (DATA, END_STREAM, 1, b"hello")
    assert peer.engine.take_finished() == [1]
    assert peer.engine.open_streams == 0


def test_requests_are_answered_in_any_order() -> None:
    peer = Peer()
    assert [request.stream_id for request in peer.requests(headers(1), headers(3), headers(5))] == [1, 3, 5]
    peer.answer(5, b"five")
    assert bodies(peer.frames()) == {5: b"five"}
    peer.answer(1, b"one")
    assert bodies(peer.frames()) == {1: b"one"}


def test_an_empty_answer_ends_with_its_head() -> None:
    peer = Peer()
    peer.receive(headers(1))
    peer.answer(1, b"")
    (head,) = peer.frames()
    assert (head.flags, peer.fields(head)[-1]) == (END_HEADERS | END_STREAM, (b"content-length", b"0"))


@pytest.mark.parametrize(
    ("status", "given", "length"),
    [(204, [], None), (204, [(b"content-length", b"5")], None), (304, [], None), (304, [(b"content-length", b"5")], b"5")],
)
def test_statuses_without_a_body_send_none(status: int, given: list[tuple[bytes, bytes]], length: bytes | None) -> None:
    peer = Peer()
    peer.receive(headers(1))
    peer.send(Answer(1, status, given, b"never"))
    (head,) = peer.frames()
    assert head.flags & END_STREAM
    assert dict(peer.fields(head)).get(b"content-length") == length


def test_an_answer_to_head_has_a_length_and_no_body() -> None:
    peer = Peer()
    assert peer.request(headers(1, HEAD)).head.method == "HEAD"
    peer.answer(1, b"hello")
    (head,) = peer.frames()
    assert (head.flags, peer.fields(head)[-1]) == (END_HEADERS | END_STREAM, (b"content-length", b"5"))


def test_an_answer_to_head_may_declare_a_length_it_does_not_make() -> None:
    peer = Peer()
    peer.receive(headers(1, HEAD))
    peer.send(Answer(1, 200, [(b"content-length", b"900")], b""))
    assert (b"content-length", b"900") in peer.fields(peer.frames()[0])


def test_a_streamed_answer_to_head_leaves_its_body_out() -> None:
    peer = Peer()
    peer.receive(headers(1, HEAD))
    peer.send(ResponseHead(1, 200, []), ResponseData(1, b"hello"), ResponseEnd(1))
    frames = peer.frames()
    assert [sent.kind for sent in frames] == [HEADERS, DATA]
    assert frames[1] == (DATA, END_STREAM, 1, b"")


def test_a_streamed_answer_leaves_as_it_comes() -> None:
    peer = Peer()
    peer.receive(headers(1))
    peer.send(ResponseHead(1, 200, []))
    assert [(sent.kind, sent.flags) for sent in peer.frames()] == [(HEADERS, END_HEADERS)]
    peer.send(ResponseData(1, b"a"), ResponseData(1, b"b"))
    assert peer.frames() == [(DATA, 0, 1, b"ab")]
    assert peer.engine.take_finished() == []
    peer.send(ResponseData(1, b"c"), ResponseEnd(1))
    assert peer.frames() == [(DATA, END_STREAM, 1, b"c")]
    assert peer.engine.take_finished() == [1]


def test_an_end_after_the_last_byte_is_an_empty_frame() -> None:
    peer = Peer()
    peer.receive(headers(1))
    peer.send(ResponseHead(1, 200, []), ResponseData(1, b"a"))
    peer.frames()
    peer.send(ResponseEnd(1))
    assert peer.frames() == [(DATA, END_STREAM, 1, b"")]
    assert peer.engine.take_finished() == [1]


def test_a_body_that_came_in_the_same_read_is_in_the_request() -> None:
    peer = Peer()
    request = peer.request(headers(1, POST, ends=False), data(1, b"he"), data(1, b"llo", ends=True))
    assert (request.body, request.complete, request.head.has_body) == (b"hello", True, True)


def test_a_body_that_comes_later_is_told_once_a_read() -> None:
    peer = Peer()
    request = peer.request(headers(1, POST, ends=False), data(1, b"he"))
    assert (request.body, request.complete) == (b"he", False)
    assert peer.receive(data(1, b"l"), data(1, b"l")) == [BodyData(1, b"ll")]
    assert peer.receive(data(1, b"o"), data(1, b"", ends=True)) == [BodyData(1, b"o"), BodyEnd(1)]


def test_bodies_of_many_requests_are_told_apart() -> None:
    peer = Peer()
    first, second = peer.requests(headers(1, POST, ends=False), headers(3, POST, ends=False), data(1, b"a"), data(3, b"b"), data(1, b"c"))
    assert (first.body, second.body) == (b"ac", b"b")
    assert peer.receive(data(3, b"d", ends=True), data(1, b"e")) == [BodyData(3, b"d"), BodyEnd(3), BodyData(1, b"e")]


def test_padding_is_no_part_of_a_body() -> None:
    peer = Peer()
    request = peer.request(
        headers(1, POST, ends=False, flags=END_HEADERS | PADDED, before=b"\x00"),
        data(1, b"\x03abc\0\0\0", flags=PADDED, ends=True),
    )
    assert request.body == b"abc"


def test_trailers_of_a_request_end_it_and_are_dropped() -> None:
    peer = Peer()
    peer.receive(headers(1, POST, ends=False), data(1, b"a"))
    assert peer.receive(headers(1, [(b"x-checksum", b"1")])) == [BodyEnd(1)]


def test_a_head_may_come_in_many_frames() -> None:
    peer = Peer()
    fields = [*GET, (b"x-long", b"0123456789" * 10)]
    pieces = split_head(1, fields, 5)
    for piece in pieces[:-1]:
        assert peer.receive(piece) == []
        assert peer.engine.mid_head
    assert peer.request(pieces[-1]).head.headers == [(b"host", b"a"), (b"x-long", b"0123456789" * 10)]
    assert not peer.engine.mid_head


def test_a_long_head_of_ours_leaves_in_many_frames() -> None:
    peer = Peer()
    peer.receive(headers(1))
    fields = [(b"x-%d" % number, b"v" * 4000) for number in range(10)]
    peer.send(Answer(1, 200, fields, b""))
    frames = peer.frames()
    assert [(sent.kind, sent.flags) for sent in frames] == [(HEADERS, END_STREAM), (CONTINUATION, 0), (CONTINUATION, END_HEADERS)]
    assert max(len(sent.payload) for sent in frames) == 16384
    whole = peer.decoder.decode(b"".join(sent.payload for sent in frames), raw=True)
    assert [tuple(field) for field in whole][3:-1] == fields


def test_cookies_are_one_field_again_and_the_authority_is_the_host() -> None:
    peer = Peer()
    head = peer.request(headers(1, [*GET, (b"cookie", b"a=1"), (b"x-y", b"z"), (b"cookie", b"b=2"), (b"host", b"A")])).head
    assert head.headers == [(b"host", b"a"), (b"cookie", b"a=1; b=2"), (b"x-y", b"z")]


def test_a_host_without_an_authority_is_the_host() -> None:
    peer = Peer()
    assert peer.request(headers(1, [*GET[:3], (b"x-y", b"z"), (b"host", b"b")])).head.headers == [(b"host", b"b"), (b"x-y", b"z")]


def test_what_the_head_says_of_the_message_is_told() -> None:
    peer = Peer()
    fields = [*POST, (b"content-length", b"3"), (b"expect", b"100-continue"), (b"accept", b"Text/Event-Stream")]
    head = peer.request(headers(1, fields, ends=False)).head
    assert (head.content_length, head.has_body, head.expects_continue, head.accepts_events) == (3, True, True, True)


def test_an_expectation_without_a_body_is_ignored() -> None:
    peer = Peer()
    assert not peer.request(headers(1, [*GET, (b"expect", b"100-continue")])).head.expects_continue


def test_equal_heads_are_equal_requests_with_lists_of_their_own() -> None:
    peer = Peer()
    first, second = peer.requests(headers(1), headers(3))
    first.head.headers.append((b"x", b"y"))
    assert second.head.headers == [(b"host", b"a")]
    assert peer.request(headers(5)).head.headers == [(b"host", b"a")]


# ---- 1xx, trailers, tunnels


def test_interim_heads_come_before_the_final_one() -> None:
    peer = Peer()
    peer.receive(headers(1, [*POST, (b"expect", b"100-continue")], ends=False))
    peer.send(InformationalHead(1, 100, []), InformationalHead(1, 103, [(b"link", b"</a.css>")]))
    peer.answer(1)
    frames = peer.frames()
    assert [(sent.kind, sent.flags) for sent in frames] == [(HEADERS, 4), (HEADERS, 4), (HEADERS, 4), (DATA, END_STREAM)]
    assert [peer.fields(sent) for sent in frames[:2]] == [[(b":status", b"100")], [(b":status", b"103"), (b"link", b"</a.css>")]]


def test_a_hint_after_the_head_is_dropped() -> None:
    peer = Peer()
    peer.receive(headers(1))
    peer.send(ResponseHead(1, 200, []))
    peer.frames()
    peer.send(InformationalHead(1, 103, []))
    assert peer.frames() == []


@pytest.mark.parametrize(
    ("te", "announced", "arrive"), [(True, True, True), (False, True, False), (True, False, False)], ids=["both", "no TE", "unannounced"]
)
def test_trailers_are_sent_where_they_are_announced_and_welcome(te: bool, announced: bool, arrive: bool) -> None:
    peer = Peer()
    peer.receive(headers(1, [*GET, (b"te", b"trailers")] if te else GET))
    peer.send(ResponseHead(1, 200, [], trailers=announced), ResponseData(1, b"a"), ResponseEnd(1, [(b"X-Sum", b"1")]))
    frames = peer.frames()
    if arrive:
        assert [(sent.kind, sent.flags) for sent in frames] == [(HEADERS, 4), (DATA, 0), (HEADERS, END_HEADERS | END_STREAM)]
        peer.fields(frames[0])
        assert peer.fields(frames[2]) == [(b"x-sum", b"1")]
    else:
        assert [(sent.kind, sent.flags) for sent in frames] == [(HEADERS, 4), (DATA, END_STREAM)]
    assert peer.engine.take_finished() == [1]


def test_trailers_after_a_body_that_was_taken_leave_at_once() -> None:
    peer = Peer()
    peer.receive(headers(1, [*GET, (b"te", b"trailers")]))
    peer.send(ResponseHead(1, 200, [], trailers=True), ResponseData(1, b"a"))
    peer.frames()
    peer.send(ResponseEnd(1, [(b"x-sum", b"1")]))
    assert [(sent.kind, sent.flags) for sent in peer.frames()] == [(HEADERS, END_HEADERS | END_STREAM)]
    assert peer.engine.take_finished() == [1]


def test_a_websocket_is_a_tunnel() -> None:
    peer = Peer()
    request = peer.request(headers(1, WEBSOCKET, ends=False))
    head = request.head
    assert (head.method, head.tunnel, head.target, head.has_body, request.complete) == ("CONNECT", "websocket", b"/chat", False, False)
    assert head.headers == [(b"host", b"a"), (b"sec-websocket-version", b"13")]
    peer.send(TunnelOpened(1, [(b"sec-websocket-protocol", b"x")]))
    (opened,) = peer.frames()
    assert (opened.flags, peer.fields(opened)) == (
        END_HEADERS,
        [(b":status", b"200"), *COMMON_FIELDS, (b"sec-websocket-protocol", b"x")],
    )
    assert peer.receive(data(1, b"ping")) == [BodyData(1, b"ping")]
    peer.send(ResponseData(1, b"pong"))
    assert peer.frames() == [(DATA, 0, 1, b"pong")]
    assert peer.receive(data(1, b"", ends=True)) == [BodyEnd(1)]
    peer.send(ResponseEnd(1))
    assert peer.frames() == [(DATA, END_STREAM, 1, b"")]
    assert peer.engine.open_streams == 0


def test_a_websocket_may_be_denied_by_an_answer() -> None:
    peer = Peer()
    peer.receive(headers(1, WEBSOCKET, ends=False))
    peer.send(Answer(1, 403, [], b"no"))
    assert bodies(peer.frames()) == {1: b"no"}


def test_the_end_of_input_is_told_and_open_streams_are_answered() -> None:
    peer = Peer()
    peer.receive(headers(1))
    assert peer.receive(b"") == [InputEnded(0)]
    assert not peer.engine.closing
    peer.answer(1)
    assert peer.receive(headers(3)) == []
    assert bodies(peer.frames()) == {1: b"ok"}
    assert peer.engine.closing


def test_without_a_stream_the_end_of_input_is_the_end() -> None:
    peer = Peer()
    assert peer.receive(b"") == [InputEnded(0)]
    assert peer.engine.closing


def test_the_preface_may_come_in_any_pieces() -> None:
    peer = Peer(opened=False)
    whole = OPENING + headers(1)
    for at in range(len(whole) - 1):
        assert peer.receive(whole[at : at + 1]) == []
        assert peer.engine.mid_head is (at != len(OPENING) - 1)
    assert isinstance(peer.receive(whole[-1:])[0], Request)
    assert not peer.engine.mid_head


def test_half_a_body_is_no_half_head() -> None:
    peer = Peer()
    peer.receive(headers(1, POST, ends=False))
    whole = data(1, b"hello")
    peer.receive(whole[:8])
    assert not peer.engine.mid_head
    assert peer.receive(whole[8:]) == [BodyData(1, b"hello")]
    peer.receive(headers(3)[:8])
    assert peer.engine.mid_head


def test_a_client_that_shrinks_its_table_hears_that_we_follow() -> None:
    peer = Peer()
    peer.receive(headers(1), frame(SETTINGS, 0, 0, setting(1, 0)))
    peer.answer(1)
    peer.decoder.max_allowed_table_size = 0
    head = next(sent for sent in peer.frames() if sent.kind == HEADERS)
    assert peer.fields(head)[0] == (b":status", b"200")  # hpack refuses a block without the update
    peer.receive(headers(3))
    peer.answer(3)
    assert peer.frames()[0].payload[0] == 0x88
