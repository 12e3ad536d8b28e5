"""The answers that count as right. Every contestant is asked once for each workload before anything is timed."""

import http.client
import socket

import msgspec

from benchmarks.apps.orders import ORDER_BYTES
from benchmarks.apps.payloads import CHUNK, CHUNKS, EVENT_BYTES, HELLO_EVENT, LARGE_FILE_MIB, MESSAGE_BYTES, MIB, PLAINTEXT
from benchmarks.clients.frames import ACCEPT, BINARY, TEXT, client_frame, handshake, server_frame
from benchmarks.clients.http2 import ask_http2, open_line
from benchmarks.failure import WrongAnswer
from benchmarks.service import Service

ANSWER_SECONDS = 10.0

FILE_BYTES = bytes(range(256)) * (MIB // 256)
TEXT_MESSAGE = (PLAINTEXT * 8)[:100].encode()
BINARY_MESSAGE = bytes(range(256)) * 256


class Answer(msgspec.Struct, frozen=True):
    """One request and the answer to it. `chunked` answers come without a length, the others with the right one."""

    method: str
    path: str
    content_type: str
    body: bytes
    sent: bytes | None = None
    chunked: bool = False


PLAINTEXT_ANSWER = Answer("GET", "/plaintext", "text/plain", PLAINTEXT.encode())
JSON_ANSWER = Answer("GET", "/json", "application/json", MESSAGE_BYTES)
PARAMS_ANSWER = Answer("GET", "/rooms/lobby/users/42?q=hello", "application/json", b'{"room":"lobby","id":42,"q":"hello"}')
VALIDATE_ANSWER = Answer("POST", "/validate", "application/json", ORDER_BYTES, sent=ORDER_BYTES)
DEPENDENCIES_ANSWER = Answer("GET", "/dependencies", "application/json", MESSAGE_BYTES)
MIDDLEWARE_ANSWER = Answer("GET", "/middleware", "application/json", MESSAGE_BYTES)
ROUTES_ANSWER = Answer("GET", "/area150/42", "application/json", b'{"area":150,"id":42}')
STREAM_ANSWER = Answer("GET", "/stream", "", CHUNK * CHUNKS, chunked=True)
UPLOAD_ANSWER = Answer("POST", "/upload", "text/plain", b"%d" % MIB, sent=b"x" * MIB)
FILE_ANSWER = Answer("GET", "/file", "application/octet-stream", FILE_BYTES)


def large_file_part(number: int) -> bytes:
    """One MiB of the large file: each begins with its number, so that none can stand for another."""
    return number.to_bytes(8, "big") + FILE_BYTES[8:]


def demand(right: bool, said: str) -> None:
    """Raises WrongAnswer with `said` unless `right`."""
    if not right:
        raise WrongAnswer(said)


def check_http(service: Service, answer: Answer, headers: dict[str, str] | None = None) -> None:
    """Asks twice on one connection: the answer must be right, and leave the connection usable.

    Raises:
        WrongAnswer: status, media type, framing or body differ from `answer`.
    """
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=ANSWER_SECONDS)
    try:
        for _ in range(2):
            connection.request(answer.method, answer.path, answer.sent, headers or {})
            reply = connection.getresponse()
            body = reply.read()
            demand(reply.status == 200, f"{answer.path} was answered with {reply.status}: {body[:200]!r}")
            demand(reply.version == 11, f"{answer.path} was answered in HTTP version {reply.version}")
            media_type = reply.getheader("content-type", "")
            demand(media_type.startswith(answer.content_type), f"{answer.path} came as {media_type!r}, not {answer.content_type!r}")
            demand(body == answer.body, f"{answer.path} came with {len(body)} bytes {body[:80]!r}, not {answer.body[:80]!r}")
            length, coding = reply.getheader("content-length"), reply.getheader("transfer-encoding")
            expected = (None, "chunked") if answer.chunked else (str(len(answer.body)), None)
            demand((length, coding) == expected, f"{answer.path} was framed as {(length, coding)}, not {expected}")
    except (OSError, http.client.HTTPException) as error:
        raise WrongAnswer(f"{answer.path} was not answered: {error!r}") from error
    finally:
        connection.close()


def check_http2(service: Service, answer: Answer) -> None:
    """Asks twice on one connection of HTTP/2, under TLS if that is how it is served.

    Raises:
        WrongAnswer: status, media type, length or body differ from `answer`.
    """
    try:
        with open_line(service, ANSWER_SECONDS) as line:
            for reply in ask_http2(line, service, answer.path, times=2):
                status, media_type = reply.headers.get(":status"), reply.headers.get("content-type", "")
                demand(status == "200", f"{answer.path} was answered with {status}: {reply.body[:200]!r}")
                demand(media_type.startswith(answer.content_type), f"{answer.path} came as {media_type!r}, not {answer.content_type!r}")
                demand(reply.body == answer.body, f"{answer.path} came with {reply.body[:80]!r}, not {answer.body[:80]!r}")
                length = reply.headers.get("content-length")
                demand(length in (None, str(len(answer.body))), f"{answer.path} has {len(answer.body)} bytes and claims {length}")
    except OSError as error:
        raise WrongAnswer(f"{answer.path} was not answered: {error!r}") from error


def check_large_file(service: Service, path: str) -> None:
    """Reads the large file once, part by part.

    Raises:
        WrongAnswer: status, length or any byte of it is wrong.
    """
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", path)
        reply = connection.getresponse()
        demand(reply.status == 200, f"{path} was answered with {reply.status}")
        length = reply.getheader("content-length")
        demand(length == str(LARGE_FILE_MIB * MIB), f"{path} came with content-length {length}, not {LARGE_FILE_MIB * MIB}")
        for number in range(LARGE_FILE_MIB):
            demand(reply.read(MIB) == large_file_part(number), f"{path} differs within MiB {number}")
    except (OSError, http.client.HTTPException) as error:
        raise WrongAnswer(f"{path} was not sent: {error!r}") from error
    finally:
        connection.close()


def receive_exactly(line: socket.socket, size: int) -> bytes:
    """The next `size` bytes, fewer at the end of input."""
    seen = bytearray()
    while len(seen) < size and (data := line.recv(size - len(seen))):
        seen += data
    return bytes(seen)


def check_echo(service: Service, path: str, payload: bytes, opcode: int) -> None:
    """Opens a WebSocket and sends two messages, which must come back byte by byte.

    Raises:
        WrongAnswer: the handshake was refused, or an echo differed.
    """
    try:
        with socket.create_connection(("127.0.0.1", service.port), timeout=ANSWER_SECONDS) as line:
            line.sendall(handshake(service.port, path))
            head = b""
            while b"\r\n\r\n" not in head and (data := line.recv(1)):  # one by one: what follows the head is not ours to eat
                head += data
            demand(head.startswith(b"HTTP/1.1 101 ") and ACCEPT in head, f"the handshake on {path} was answered with {head[:200]!r}")
            expected = server_frame(payload, opcode)
            for _ in range(2):
                line.sendall(client_frame(payload, opcode))
                echo = receive_exactly(line, len(expected))
                demand(echo == expected, f"{path} echoed {len(echo)} bytes {echo[:40]!r}, not {len(expected)} bytes {expected[:40]!r}")
    except OSError as error:
        raise WrongAnswer(f"{path} did not echo: {error!r}") from error


def check_burst(service: Service, path: str) -> None:
    """Subscribes, triggers one burst, and compares every event of it.

    Raises:
        WrongAnswer: the stream did not open, or the burst differed.
    """
    stream = http.client.HTTPConnection("127.0.0.1", service.port, timeout=ANSWER_SECONDS)
    try:
        stream.request("GET", path, headers={"Accept": "text/event-stream"})
        reply = stream.getresponse()
        media_type = reply.getheader("content-type", "")
        demand(reply.status == 200 and media_type.startswith("text/event-stream"), f"{path} opened with {reply.status} {media_type!r}")
        greeting = b""
        while not greeting.endswith(b"\n\n") and (data := reply.read(1)):
            greeting += data
        # A server may add `retry` to its first event; the burst after it is compared byte by byte.
        demand(b"data: %s\n" % HELLO_EVENT.encode() in greeting, f"{path} began with {greeting!r}, which lacks {HELLO_EVENT!r}")
        check_http(service, Answer("POST", "/burst", "text/plain", PLAINTEXT.encode()))
        burst = b"".join(EVENT_BYTES) * 2  # check_http asks twice
        seen = reply.read(len(burst))
        demand(seen == burst, f"{path} burst with {len(seen)} bytes {seen[:80]!r}, not {len(burst)} bytes {burst[:80]!r}")
    except (OSError, http.client.HTTPException) as error:
        raise WrongAnswer(f"{path} did not stream: {error!r}") from error
    finally:
        stream.close()


def check_text_echo(service: Service) -> None:
    """The WebSocket of 100 B text messages."""
    check_echo(service, "/echo_text", TEXT_MESSAGE, TEXT)


def check_binary_echo(service: Service) -> None:
    """The WebSocket of 64 KiB binary messages."""
    check_echo(service, "/echo_bytes", BINARY_MESSAGE, BINARY)
