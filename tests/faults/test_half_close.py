"""A client that closes its side, at every byte of what it had to say: it hears what can still be said, and nothing of it stays."""

import socket

import pytest

from tests.faults.conversations import CONVERSATIONS, WEBSOCKET
from tests.faults.remains import Life, settled
from tests.server.child import Child, read_rest


def answer_to(child: Child, data: bytes) -> bytes:
    """All that comes back for `data` and the end of input, up to the end of the connection."""
    with child.connect() as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        return read_rest(client)


@pytest.mark.parametrize("kind", CONVERSATIONS)
def test_the_end_of_input_within_a_head_is_a_bad_request(kind: str, child: Child, before: Life) -> None:
    head = CONVERSATIONS[kind].head
    assert answer_to(child, b"") == b""
    for count in range(1, len(head)):
        assert answer_to(child, head[:count]).startswith(b"HTTP/1.1 400 "), head[:count]
    assert settled(child, before) == before


@pytest.mark.parametrize("kind", ["body", "chunked"])
def test_the_end_of_input_within_a_body_is_a_departure(kind: str, child: Child, before: Life) -> None:
    conversation = CONVERSATIONS[kind]
    for count in range(len(conversation.head), len(conversation.data)):
        assert answer_to(child, conversation.data[:count]) == b""
    assert settled(child, before) == before


@pytest.mark.parametrize(("kind", "answer"), [("plain", b"hello"), ("body", b"20"), ("chunked", b"8")])
def test_the_end_of_input_behind_a_whole_request_leaves_it_its_answer(kind: str, answer: bytes, child: Child, before: Life) -> None:
    assert answer_to(child, CONVERSATIONS[kind].data).endswith(b"\r\n\r\n" + answer)
    assert settled(child, before) == before


def test_the_end_of_input_behind_a_wish_for_events_ends_the_stream_properly(child: Child, before: Life) -> None:
    assert b"data: hello 0\n\n" in answer_to(child, CONVERSATIONS["events"].data)
    assert settled(child, before) == before


def test_the_end_of_input_within_a_websocket_ends_it(child: Child, before: Life) -> None:
    conversation = CONVERSATIONS["websocket"]
    for count in range(len(conversation.head), len(conversation.data) + 1):
        heard = answer_to(child, conversation.data[:count])
        assert heard.startswith(b"HTTP/1.1 101 ")
        echoes = heard.count(b"\x81\x05hello")
        assert echoes <= 2
    assert answer_to(child, conversation.data).endswith(b"\x88\x02\x03\xe8")
    assert answer_to(child, WEBSOCKET + b"\x81").endswith(b"\r\n\r\n")
    assert settled(child, before) == before
