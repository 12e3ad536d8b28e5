"""Who looks into a running server: what is asked, how it is answered, and who may."""

import json
import os
import socket

import pytest

from pagi.server.figures import Figures, ProcessReport
from pagi.server.process.window import MOST_ASKED_BYTES, Visitor, Window, may_look

REPORT = ProcessReport(
    pid=7, worker=1, seconds=1.0, is_leaving=False, connections=2, idle=2, open={}, buffered_bytes=0, resident_bytes=0, exchanges=[],
    figures=Figures(),
)  # fmt: skip


def asked(window: Window, *pieces: bytes) -> bytes:
    """The answer to a request that comes in pieces. It must be known for one only when it is whole."""
    visitor = Visitor(window)
    for piece in pieces[:-1]:
        visitor.feed(piece)
        assert not visitor.has_asked
    visitor.feed(pieces[-1])
    assert visitor.has_asked
    return visitor.answer([REPORT])


def test_the_control_socket_tells_every_process() -> None:
    (process,) = json.loads(asked(Window.CONTROL, b"sta", b"tus\n"))
    assert (process["pid"], process["worker"], process["connections"]) == (7, 1, 2)


@pytest.mark.parametrize(("request_line", "answer"), [(b"stop\n", b'{"error":"ask for: status"}\n'), (b"", b"")])
def test_the_control_socket_knows_one_request(request_line: bytes, answer: bytes) -> None:
    assert asked(Window.CONTROL, request_line) == answer


@pytest.mark.parametrize("target", [b"/metrics", b"/", b"/metrics?name=x"])
def test_metrics_are_read_by_get(target: bytes) -> None:
    head, _, body = asked(Window.METRICS, b"GET " + target, b" HTTP/1.1\r\nHost: x\r\n", b"\r\n").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4; charset=utf-8\r\n")
    assert b"content-length: %d\r\n" % len(body) in head
    assert b'pagi_connections{worker="1"} 2\n' in body


def test_head_gives_the_head_alone() -> None:
    answer = asked(Window.METRICS, b"HEAD /metrics HTTP/1.1\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (b"POST /metrics HTTP/1.1\r\n\r\n", 405),
        (b"GET /etc HTTP/1.1\r\n\r\n", 404),
        (b"GET /\r\n\r\n", 400),
        (b"\x16\x03\x01\r\n\r\n", 400),
    ],
)
def test_what_is_no_request_for_metrics_is_refused(request_head: bytes, status: int) -> None:
    assert asked(Window.METRICS, request_head).startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.parametrize("window", Window)
def test_a_request_without_end_is_given_up(window: Window) -> None:
    assert asked(window, b"x" * MOST_ASKED_BYTES, b"x") == b""


def test_ones_own_processes_may_look() -> None:
    here, there = socket.socketpair()
    with here, there:
        assert may_look(here)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else")
def test_another_user_may_not_look() -> None:
    os.seteuid(65534)
    try:
        here, there = socket.socketpair()
    finally:
        os.seteuid(0)
    with here, there:
        assert not may_look(here)
