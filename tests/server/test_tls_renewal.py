"""A certificate is renewed under load: nobody notices but those who connect afterwards. On each loop."""

import signal
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import pytest
from cryptography import x509

from pagi.gateway import app as pagi_app
from tests.server.certificates import Authority, Issued
from tests.server.child import running
from tests.server.conftest import Lines
from tests.server.live import GET, Peer, Served, eventually, served
from tests.server.secure_stream import SecureStream
from tests.server.test_tls import anyio_backend

__all__ = ["anyio_backend"]

CLIENTS = 50
PAUSE_SECONDS = 2.0
"""Between the two halves of the new pair."""
WISH = b"GET / HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n"


@pagi_app
async def ticking(scope: Any, receive: Any, send: Any) -> None:
    """Answers a request, or ticks for as long as somebody listens."""
    if scope["type"] == "http":
        send.full(200, [], b"hello")
        return
    await send({"type": "sse.start"})
    while True:
        await send({"type": "sse.send", "data": "tick"})
        await anyio.sleep(0.1)


class Files:
    """The pair that a server reads."""

    def __init__(self, folder: Path, issued: Issued) -> None:
        self.certfile, self.keyfile = folder / "served.pem", folder / "served.key"
        self.write_certificate(issued)
        self.write_key(issued)
        self.options = {"ssl_certfile": str(self.certfile), "ssl_keyfile": str(self.keyfile)}

    def write_certificate(self, issued: Issued) -> None:
        """Puts another in the place of the certificate, at once."""
        self._write(self.certfile, issued.certfile)

    def write_key(self, issued: Issued) -> None:
        """Puts another in the place of the key."""
        self._write(self.keyfile, issued.keyfile)

    def _write(self, path: Path, source: Path) -> None:
        fresh = path.with_suffix(".new")
        fresh.write_bytes(source.read_bytes())
        fresh.replace(path)


@pytest.fixture
def pairs(authority: Authority, tmp_path: Path) -> tuple[Files, Issued, Issued]:
    """Files with the first of two pairs in them, and both."""
    first, second = authority.issue(), authority.issue()
    return Files(tmp_path, first), first, second


async def serial(server: Served) -> int:
    """What a client that connects now is shown."""
    async with server.peer() as peer:
        assert isinstance(peer.stream, SecureStream)
        der = peer.stream.tls.getpeercert(binary_form=True)
        assert der is not None
        assert (await peer.ask()).body == b"hello"
        return x509.load_der_x509_certificate(der).serial_number


async def listen(peer: Peer, ticks: dict[int, int], number: int) -> None:
    """Counts the events of a stream until it is cancelled."""
    while True:
        data = await peer.more()
        assert data, "the stream ended"
        ticks[number] += data.count(b"tick")


@pytest.mark.anyio
async def test_a_pair_replaced_in_two_writes_costs_no_handshake_and_no_stream(
    pairs: tuple[Files, Issued, Issued], authority: Authority, log: Lines
) -> None:
    files, first, second = pairs
    seen: list[int] = []
    ticks = dict.fromkeys(range(CLIENTS), 0)
    is_over = False
    between = renewed_at = 0

    async def connect(server: Served) -> None:
        while not is_over:
            seen.append(await serial(server))
            await anyio.sleep(0.3)

    async with served(ticking, client=authority.trusted(), ssl_reload_seconds=0.2, **files.options) as server, AsyncExitStack() as stack:
        async with anyio.create_task_group() as streams:
            for number in range(CLIENTS):
                peer = await stack.enter_async_context(server.peer())
                await peer.send(WISH)
                streams.start_soon(listen, peer, ticks, number)
            async with anyio.create_task_group() as clients:
                for _ in range(CLIENTS):
                    clients.start_soon(connect, server)
                files.write_certificate(second)
                await eventually(lambda: any("not renewed" in line for line in log.server))
                await anyio.sleep(PAUSE_SECONDS)
                await eventually(lambda: len(seen) > CLIENTS, 20)  # on a slow machine the pause is not enough
                between = len(seen)
                files.write_key(second)
                await eventually(lambda: any("was renewed" in line for line in log.server))
                renewed_at = len(seen)
                before = dict(ticks)
                await eventually(lambda: second.serial in seen and all(ticks[number] > before[number] + 3 for number in ticks))
                is_over = True
            streams.cancel_scope.cancel()
        assert await serial(server) == second.serial
    assert between > CLIENTS  # each of them came again while the pair was none
    assert set(seen[:between]) == {first.serial}
    assert set(seen[renewed_at + CLIENTS :]) <= {second.serial}
    assert len([line for line in log.server if "not renewed" in line]) == 1
    assert len([line for line in log.server if "was renewed" in line]) == 1
    assert [line for line in log.of("pagi.server", 10) if "handshake failed" in line] == []
    assert log.errors == []


@pytest.mark.anyio
async def test_an_old_connection_goes_on_with_the_certificate_it_knows(pairs: tuple[Files, Issued, Issued], authority: Authority) -> None:
    files, first, second = pairs
    told: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        told.append(scope["extensions"]["tls"]["server_cert"])
        send.full(200, [], b"hello")

    async with served(app, client=authority.trusted(), **files.options) as server, server.peer() as peer:
        await peer.ask()
        files.write_certificate(second)
        files.write_key(second)
        server.server.reload_certificate()
        await peer.ask()
        await server.ask()
    assert told == [first.certfile.read_text(), first.certfile.read_text(), second.certfile.read_text()]


@pytest.mark.anyio
async def test_a_session_of_the_old_certificate_is_not_held_against_the_client(
    pairs: tuple[Files, Issued, Issued], authority: Authority
) -> None:
    files, _, second = pairs
    trusting = authority.trusted()
    async with served(ticking, client=trusting, **files.options) as server:

        def ask(session: ssl.SSLSession | None) -> tuple[ssl.SSLSession | None, bool | None]:
            raw = socket.create_connection(("127.0.0.1", server.port), timeout=3)
            with trusting.wrap_socket(raw, server_hostname="localhost", session=session) as client:
                client.sendall(GET)
                assert client.recv(65536).endswith(b"hello")
                return client.session, client.session_reused

        session, _ = await anyio.to_thread.run_sync(ask, None)
        files.write_certificate(second)
        files.write_key(second)
        server.server.reload_certificate()
        assert (await anyio.to_thread.run_sync(ask, session))[1] is False


APP = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise RuntimeError
    send.full(200, [], b"hello")
"""


@pytest.mark.parametrize("loop", ["uvloop", "asyncio", "trio"])
def test_hup_renews_the_certificate(loop: str, pairs: tuple[Files, Issued, Issued], authority: Authority, tmp_path: Path) -> None:
    files, first, second = pairs
    app = tmp_path / "served.py"
    app.write_text(APP)
    flags = ["--loop", loop, "--ssl-reload-interval", "0"]
    for name, path in files.options.items():
        flags += [f"--{name.replace('_', '-')}", path]
    with running(tmp_path, app, *flags) as child:

        def shown() -> int:
            with child.connect() as raw, authority.trusted().wrap_socket(raw, server_hostname="localhost") as client:
                der = client.getpeercert(binary_form=True)
                assert der is not None
                return x509.load_der_x509_certificate(der).serial_number

        assert shown() == first.serial
        files.write_certificate(second)
        child.signal(signal.SIGHUP)
        child.until_said("is not renewed")
        assert shown() == first.serial
        files.write_key(second)
        child.signal(signal.SIGHUP)
        child.until_said("was renewed")
        assert shown() == second.serial
        child.signal(signal.SIGTERM)
        assert child.exit_code() == 0
    assert "Traceback" not in child.stderr


def until(is_so: Callable[[], bool]) -> None:
    """Waits until `is_so()`."""
    end = time.monotonic() + 5
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.02)
