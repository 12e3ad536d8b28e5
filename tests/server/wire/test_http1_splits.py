"""The engine does not care how its input is cut: a pipelined corpus at every byte, and at random."""

import random

from pagi.server.options import HTTP1Options
from pagi.server.wire.events import Answer, BodyData, BodyEnd, Event, Fault, Request
from pagi.server.wire.head_writer import StaticLines
from pagi.server.wire.http1 import HTTP1Engine

Seen = tuple[str, bytes, list[tuple[bytes, bytes]], bytes]

SHAPES = (
    b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n",
    b"\r\nGET /%d HTTP/1.1\r\nHost: a\r\nCookie: a\r\nCookie: b\r\n\r\n",
    b"POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nGET / HTTP/",
    b"POST /%d HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\n\r\n\r\r\n2\r\nde\r\n0\r\nX-T: 1\r\n\r\n",
    b"HEAD /%d HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n",
    b"PUT http://b/%d HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    b"GET /%d HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
)
# Mostly the first, which is read in no time: every cut reads all fifty.
CORPUS = b"".join(SHAPES[n // 5 % len(SHAPES) if n % 5 == 0 else 0] % n for n in range(50))


def run(pieces: list[bytes]) -> list[Seen]:
    """Answers each request once it is complete; what the engine said of them, bodies joined."""
    wire = HTTP1Engine(HTTP1Options(), StaticLines(b"\r\ndate: D"), 1024)
    seen: list[Seen] = []
    for piece in pieces:
        events: list[Event] = wire.receive(piece)
        while events:
            complete = False
            for event in events:
                assert not isinstance(event, Fault), event
                if isinstance(event, Request):
                    head = event.head
                    seen.append((head.method, head.target, head.headers, event.body))
                    complete = event.complete
                elif isinstance(event, BodyData):
                    seen[-1] = (*seen[-1][:3], seen[-1][3] + event.data)
                else:
                    assert isinstance(event, BodyEnd)
                    complete = True
            if not complete:
                break
            wire.send(Answer(len(seen), 200, [], b"ok"))
            wire.take_output()
            events = wire.advance()
            assert not wire.closing
    assert wire.idle
    return seen


WHOLE = run([CORPUS])


def test_the_corpus_is_fifty_requests() -> None:
    assert len(WHOLE) == 50
    assert {body for _, _, _, body in WHOLE} == {b"", b"GET / HTTP/", b"\r\n\rde"}
    assert [target for _, target, _, _ in WHOLE] == [b"/%d" % n for n in range(50)]


def test_a_cut_at_every_byte_changes_nothing() -> None:
    for at in range(1, len(CORPUS)):
        assert run([CORPUS[:at], CORPUS[at:]]) == WHOLE, at


def test_single_bytes_change_nothing() -> None:
    assert run([CORPUS[at : at + 1] for at in range(len(CORPUS))]) == WHOLE


def test_random_cuts_change_nothing() -> None:
    for seed in range(50):
        chance = random.Random(seed)
        cuts = sorted(chance.sample(range(1, len(CORPUS)), chance.randint(2, 200)))
        assert run([CORPUS[start:end] for start, end in zip([0, *cuts], [*cuts, len(CORPUS)], strict=True)]) == WHOLE, seed
