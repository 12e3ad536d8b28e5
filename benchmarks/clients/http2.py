"""One request over HTTP/2, to see that the answer is right before anything is timed."""

import socket
import ssl

import msgspec
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, DataReceived, ResponseReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError

from benchmarks.failure import WrongAnswer
from benchmarks.service import Service

READ_BYTES = 1 << 16


class H2Answer(msgspec.Struct, frozen=True):
    """What came back on one stream."""

    headers: dict[str, str]
    body: bytes


def open_line(service: Service, seconds: float) -> socket.socket:
    """A connection on which HTTP/2 may be spoken: by prior knowledge, or agreed on under TLS.

    Raises:
        OSError: it was not accepted, or the certificate is another.
        WrongAnswer: under TLS the server did not agree on HTTP/2.
    """
    line = socket.create_connection(("127.0.0.1", service.port), timeout=seconds)
    if service.key_pair is None:
        return line
    context = ssl.create_default_context(cafile=str(service.key_pair.certificate))
    context.set_alpn_protocols(["h2"])
    secured = context.wrap_socket(line, server_hostname="127.0.0.1")
    if secured.selected_alpn_protocol() != "h2":
        secured.close()
        raise WrongAnswer("HTTP/2 is not agreed to under TLS")
    return secured


def ask_http2(line: socket.socket, service: Service, path: str, *, times: int) -> list[H2Answer]:
    """So many GETs, one after the other on one connection.

    Raises:
        WrongAnswer: the server ended a stream or the connection, or what it said is no HTTP/2.
    """
    connection = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
    connection.initiate_connection()
    scheme, authority = ("http" if service.key_pair is None else "https"), f"127.0.0.1:{service.port}"
    answers: list[H2Answer] = []
    try:
        for _ in range(times):
            stream = connection.get_next_available_stream_id()
            fields = [(":method", "GET"), (":path", path), (":scheme", scheme), (":authority", authority)]
            connection.send_headers(stream, fields, end_stream=True)
            answers.append(receive_answer(line, connection))
    except ProtocolError as error:
        raise WrongAnswer(f"{path} was answered with what is no HTTP/2: {error!r}") from error
    return answers


def receive_answer(line: socket.socket, connection: H2Connection) -> H2Answer:
    """Sends what is due, and reads until the stream has ended."""
    headers: dict[str, str] = {}
    body = b""
    while True:
        line.sendall(connection.data_to_send())
        data = line.recv(READ_BYTES)
        if not data:
            raise WrongAnswer(f"the server hung up, having said {headers} and {body[:80]!r}")
        for event in connection.receive_data(data):
            match event:
                case ResponseReceived():
                    headers = {str(name): str(value) for name, value in event.headers or ()}
                case DataReceived():
                    body += event.data or b""
                case StreamEnded():
                    return H2Answer(headers, body)
                case StreamReset() | ConnectionTerminated():
                    raise WrongAnswer(f"the server ended the exchange with error {event.error_code}")
                case _:
                    pass
