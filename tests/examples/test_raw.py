"""The three raw examples, asked over real sockets; what their handles tell is read from what they print."""

import socket
import threading
from collections.abc import Callable, Generator

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.examples.servers import ExampleServer

Serve = Callable[[str], ExampleServer]

MEGABYTE = 1024 * 1024


# ---- HTTP


def test_a_body_comes_back_with_its_type(serve: Serve) -> None:
    server = serve("raw_http")
    reply = httpx2.post(server.url, content=b"hello", headers={"content-type": "text/plain"})
    assert (reply.status_code, reply.content, reply.headers["content-type"]) == (200, b"hello", "text/plain")
    server.until_printed("complete")


def test_a_body_comes_back_whatever_the_client_accepts(serve: Serve) -> None:
    server = serve("raw_http")
    assert httpx2.post(server.url, content=b"hello", headers={"accept": "text/event-stream"}).content == b"hello"


def test_a_body_comes_back_as_it_arrives(serve: Serve) -> None:
    server = serve("raw_http")
    with socket.create_connection(("127.0.0.1", server.port), 5) as line:
        line.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        heard = b""
        while b"first" not in heard:
            heard += line.recv(65536)
        line.sendall(b"6\r\nsecond\r\n0\r\n\r\n")
        while not heard.endswith(b"0\r\n\r\n"):
            heard += line.recv(65536)
    assert heard.endswith(b"5\r\nfirst\r\n6\r\nsecond\r\n0\r\n\r\n")


def test_a_client_that_does_not_read_makes_the_echo_wait(serve: Serve) -> None:
    server = serve("raw_http")
    size = 32 * MEGABYTE
    head = b"POST / HTTP/1.0\r\ncontent-length: %d\r\n\r\n" % size
    with socket.create_connection(("127.0.0.1", server.port), 30) as line:
        sender = threading.Thread(target=line.sendall, args=(head + bytes(size),))
        sender.start()
        server.until_printed("waiting:", 20)
        heard = 0
        while chunk := line.recv(MEGABYTE):
            heard += len(chunk)
        sender.join()
    assert size < heard < size + 1024
    server.until_printed("complete")
    assert "going on:" in server.output


def test_a_client_that_leaves_is_told_apart(serve: Serve) -> None:
    server = serve("raw_http")
    with socket.create_connection(("127.0.0.1", server.port), 5) as line:
        line.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf")
        while b"half" not in line.recv(65536):
            pass
    assert "complete" not in server.until_printed("disconnected: client_closed")


def test_an_open_request_hears_that_the_server_ends(serve: Serve) -> None:
    server = serve("raw_http")
    with socket.create_connection(("127.0.0.1", server.port), 5) as line:
        line.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf")
        heard = line.recv(65536)
        while b"half" not in heard:
            heard += line.recv(65536)
        server.terminate()
        server.until_printed("closing within 30 s")
        line.sendall(b"second")
        while not heard.endswith(b"0\r\n\r\n"):
            heard += line.recv(65536)
    assert b"second" in heard
    assert server.wait() == 0


# ---- WebSocket


def test_messages_come_back_as_what_they_were(serve: Serve) -> None:
    with connect(serve("raw_websocket").ws_url) as ws:
        ws.send("text")
        ws.send(b"bytes")
        assert [ws.recv(5), ws.recv(5)] == ["text", b"bytes"]


def test_a_session_says_goodbye_when_the_server_ends(serve: Serve) -> None:
    server = serve("raw_websocket")
    with connect(server.ws_url) as ws:
        server.terminate()
        assert ws.recv(5) == "goodbye"
        with pytest.raises(ConnectionClosed):
            ws.recv(5)
        assert (ws.close_code, ws.close_reason) == (1001, "the server restarts")
    assert server.wait() == 0


def test_a_session_that_is_dropped_has_a_reason(serve: Serve) -> None:
    server = serve("raw_websocket")
    with connect(server.ws_url) as ws:
        ws.send("hello")
        assert ws.recv(5) == "hello"
        ws.socket.shutdown(socket.SHUT_RDWR)
        server.until_printed("disconnected: client_closed")


def test_a_request_that_is_no_handshake_is_told_to_upgrade(serve: Serve) -> None:
    reply = httpx2.get(serve("raw_websocket").url)
    assert (reply.status_code, reply.headers["upgrade"]) == (426, "websocket")


# ---- event stream


def echoes(server: ExampleServer, words: str) -> Generator[httpx2.ServerSentEvent]:
    """What the server says again and again; closing it leaves."""
    with httpx2.Client() as client, client.sse(f"{server.url}/?{words}") as events:
        yield from events


def test_words_come_again_and_again(serve: Serve) -> None:
    server = serve("raw_sse")
    events = echoes(server, "hello+there")
    heard = [next(events) for _ in range(3)]
    events.close()
    assert [(event.event, event.id, event.data) for event in heard] == [("echo", str(n), "hello there") for n in (1, 2, 3)]
    server.until_printed("disconnected: client_closed")


def test_a_stream_says_goodbye_when_the_server_ends(serve: Serve) -> None:
    server = serve("raw_sse")
    events = echoes(server, "hello")
    next(events)
    server.terminate()
    last = list(events)[-1]
    assert (last.event, last.data, last.retry) == ("goodbye", "the server restarts", 1000)
    assert server.wait() == 0
    assert "complete" in server.output


@pytest.mark.parametrize(("accept", "query", "status"), [("text/event-stream", "", 400), ("*/*", "?hello", 406)])
def test_a_stream_may_be_declined(serve: Serve, accept: str, query: str, status: int) -> None:
    reply = httpx2.get(f"{serve('raw_sse').url}/{query}", headers={"accept": accept})
    assert (reply.status_code, reply.headers["content-type"]) == (status, "text/plain; charset=utf-8")
