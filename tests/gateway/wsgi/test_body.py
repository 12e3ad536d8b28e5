"""`wsgi.input`: a body read as a file, in whatever pieces it came and is asked for."""

from collections.abc import Iterator
from io import BufferedReader, BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagi.gateway.reasons import ClientGone
from pagi.gateway.types import Message
from pagi.gateway.wsgi.body import BUFFER_BYTES, BodyFile


def events(*parts: bytes) -> Iterator[Message]:
    for part in parts:
        yield {"type": "http.request", "body": part, "more_body": True}
    yield {"type": "http.request", "body": b"", "more_body": False}


def file(*parts: bytes) -> BufferedReader:
    return BufferedReader(BodyFile(None, events(*parts).__next__), BUFFER_BYTES)


@given(st.lists(st.binary(max_size=40)), st.lists(st.integers(0, 50), max_size=20))
def test_reads_of_any_size_give_the_body_in_order(parts: list[bytes], sizes: list[int]) -> None:
    body = file(*parts)
    read = b"".join(body.read(size) for size in sizes)
    assert read + body.read() == b"".join(parts)
    assert body.read(10) == b""


@given(st.lists(st.binary(max_size=40)))
def test_lines_are_those_of_the_whole(parts: list[bytes]) -> None:
    assert list(file(*parts)) == list(BytesIO(b"".join(parts)))
    assert file(*parts).readlines() == BytesIO(b"".join(parts)).readlines()


def test_no_event_is_asked_for_before_its_bytes_are() -> None:
    asked: list[int] = []

    def receive() -> Message:
        asked.append(len(asked))
        return {"type": "http.request", "body": b"x" * BUFFER_BYTES, "more_body": len(asked) < 3}

    body = BufferedReader(BodyFile(None, receive), BUFFER_BYTES)
    assert asked == []
    body.read(1)
    assert len(asked) == 1
    body.read(BUFFER_BYTES - 1)
    assert len(asked) == 1
    body.read(1)
    assert len(asked) == 2


def test_what_came_before_the_call_is_read_first() -> None:
    body = BufferedReader(BodyFile({"type": "http.request", "body": b"all", "more_body": False}, lambda: pytest.fail("there is no more")))
    assert body.read() == b"all"


def test_a_client_that_leaves_in_the_middle_is_an_error_of_the_reading() -> None:
    said: Iterator[Message] = iter([{"type": "http.request", "body": b"ha", "more_body": True}, {"type": "http.disconnect"}])
    body = BufferedReader(BodyFile(None, said.__next__))
    assert body.read(2) == b"ha"
    with pytest.raises(ClientGone):
        body.read(1)


def test_a_body_that_nobody_waits_for_any_more_has_ended() -> None:
    body = BodyFile(None, lambda: pytest.fail("nobody waits"))
    body.is_over = True
    assert BufferedReader(body).read() == b""


def test_an_event_may_leave_out_what_is_empty() -> None:
    said: Iterator[Message] = iter([{"type": "http.request"}])
    assert BufferedReader(BodyFile(None, said.__next__)).read() == b""
