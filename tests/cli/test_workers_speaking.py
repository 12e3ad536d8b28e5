"""What workers speak: HTTPS, HTTP/2 within it, and both on a Unix socket; and what each is told of itself."""

import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import pytest

from tests.cli.developing import PATIENCE_SECONDS
from tests.cli.supervised import APP, Supervised, body, request, supervised
from tests.server.certificates import Authority

LOOPS = ["uvloop", "asyncio", "trio"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project whose application says `one` and its process id."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "main.py").write_text(APP)
    return folder


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """Who signs the server's certificate."""
    return Authority(tmp_path)


def two_workers(loop: str, authority: Authority) -> list[str]:
    """The arguments that start two of them, with a certificate."""
    issued = authority.issue()
    return ["main:app", "--workers", "2", "--loop", loop, "--ssl-certfile", str(issued.certfile), "--ssl-keyfile", str(issued.keyfile)]


def ask_over_http_1_1(client: ssl.SSLSocket) -> str:
    """The body of an answer."""
    client.sendall(request())
    return body(client)


def ask_over_http_2(client: ssl.SSLSocket) -> str:
    """The same, on a stream."""
    codec = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding=None))
    codec.initiate_connection()
    codec.send_headers(1, [(":method", "GET"), (":scheme", "https"), (":authority", "x"), (":path", "/")], end_stream=True)
    data = b""
    while True:
        client.sendall(codec.data_to_send())
        more = client.recv(65536)
        assert more, "the connection ended before the answer"
        for event in codec.receive_data(more):
            if isinstance(event, h2.events.DataReceived):
                data += event.data or b""
            elif isinstance(event, h2.events.StreamEnded):
                return data.decode()


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize(("protocol", "ask"), [("http/1.1", ask_over_http_1_1), ("h2", ask_over_http_2)])
def test_workers_speak_https_in_either_framing(
    loop: str, protocol: str, ask: Callable[[ssl.SSLSocket], str], folder: Path, authority: Authority
) -> None:
    trusting = authority.trusted()
    trusting.set_alpn_protocols([protocol])

    def answer(pagi: Supervised) -> str:
        with pagi.connect() as raw, trusting.wrap_socket(raw, server_hostname="localhost") as client:
            assert client.selected_alpn_protocol() == protocol
            return ask(client)

    with supervised(folder, *two_workers(loop, authority)) as pagi:
        workers = {f"one {pid}" for pid in pagi.workers()}
        assert len(workers) == 2
        pagi.until(lambda: {answer(pagi) for _ in range(12)} == workers, "both workers answer")
        assert pagi.end() == 0
    assert "Traceback" not in pagi.output


@pytest.mark.parametrize("loop", LOOPS)
def test_workers_share_a_unix_socket(loop: str, folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "s"

    def answer() -> str:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE_SECONDS)
            client.connect(str(path))
            client.sendall(request())
            return body(client)

    with supervised(folder, "main:app", "--workers", "2", "--loop", loop, "--bind", f"unix:{path}") as pagi:
        workers = {f"one {pid}" for pid in pagi.workers()}
        pagi.until(lambda: {answer() for _ in range(12)} == workers, "both workers answer")
        assert pagi.end() == 0
    assert not path.exists()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_certificate_that_is_not_there_is_exit_3_and_told_once(workers: str, folder: Path) -> None:
    with supervised(folder, "main:app", "--workers", workers, "--ssl-certfile", "absent.pem", listens=False) as pagi:
        assert pagi.exit_code() == 3
    assert pagi.output.count("'absent.pem' (--ssl-certfile) cannot be read: No such file or directory") == 1
    assert "Traceback" not in pagi.output
    assert "listening" not in pagi.output


TELLS = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        print("told:", scope["pagi"]["is_worker"], scope["pagi"]["worker_num"], flush=True)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
"""


@pytest.mark.parametrize(("workers", "told"), [("1", {"told: False None"}), ("3", {"told: True 1", "told: True 2", "told: True 3"})])
def test_a_lifespan_is_told_its_worker_and_its_number(workers: str, told: set[str], folder: Path) -> None:
    (folder / "main.py").write_text(TELLS)
    with supervised(folder, "main:app", "--workers", workers) as pagi:
        assert pagi.end() == 0
    assert {line for line in pagi.output.splitlines() if line.startswith("told:")} == told
