"""Clients that others wrote, over TLS: curl, OpenSSL's, httpx2, `websockets`, http.client. On each loop."""

import http.client
import shutil
import subprocess
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import anyio.to_thread
import httpx2
import pytest
from anyio.streams.stapled import StapledByteStream
from websockets.sync.client import connect

from pagi.gateway import app as pagi_app
from tests.server.certificates import Authority, Issued
from tests.server.live import Peer, Served, eventually, served
from tests.server.test_tls import anyio_backend

__all__ = ["anyio_backend"]

pytestmark = pytest.mark.anyio

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
BIG = bytes(range(256)) * 20_000


class Everything:
    """Echoes bodies and messages, and counts to three on a stream."""

    def __init__(self) -> None:
        self.scopes: list[Any] = []
        self.ends: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            while (event := await receive())["type"] == "websocket.receive":
                await send({"type": "websocket.send", "bytes": event.get("bytes"), "text": event.get("text")})
            self.ends.append(event["code"])
        elif scope["type"] == "sse":
            await send({"type": "sse.start"})
            for number in range(3):
                await send({"type": "sse.send", "data": str(number)})
                await anyio.sleep(0.02)
        else:
            body = b""
            while True:
                event = await receive()
                body += event["body"]
                if not event["more_body"]:
                    break
            send.full(200, [], body or b"hello")


async def run(command: list[str], **terms: Any) -> bytes:
    """What another program printed."""
    with anyio.fail_after(20):
        return (await anyio.run_process(command, **terms)).stdout


def curl(authority: Authority, *args: str) -> list[str]:
    return ["curl", "-sS", "--max-time", "10", "--cacert", str(authority.file), *args]


@needs_curl
@pytest.mark.parametrize("version", ["--tlsv1.3", "--tls-max=1.2"])
async def test_curl_asks_twice_on_one_connection(version: str, own: Issued, authority: Authority) -> None:
    option, _, value = version.partition("=")
    args = [option, value] if value else [option]
    async with served(Everything(), **own.options) as server:
        url = f"https://localhost:{server.port}/"
        out = await run(curl(authority, *args, "-w", "|%{http_code} %{num_connects}\n", url, url))
    assert out == b"hello|200 1\nhello|200 0\n"


@needs_curl
async def test_curl_sends_and_gets_a_big_body(own: Issued, authority: Authority) -> None:
    async with served(Everything(), **own.options) as server:
        out = await run(curl(authority, "--data-binary", "@-", f"https://localhost:{server.port}/"), input=BIG)
    assert out == BIG


@needs_curl
async def test_curl_shows_a_certificate(own: Issued, authority: Authority) -> None:
    app, shown = Everything(), authority.issue()
    required: dict[str, Any] = {"ssl_ca_certs": str(authority.file), "ssl_cert_reqs": "required"}
    async with served(app, **required, **own.options) as server:
        url = f"https://localhost:{server.port}/"
        assert await run(curl(authority, "--cert", str(shown.certfile), "--key", str(shown.keyfile), url)) == b"hello"
        without = await anyio.run_process(curl(authority, url), check=False)
    assert without.returncode != 0
    assert app.scopes[0]["extensions"]["tls"]["client_cert_name"] == "CN=localhost"
    assert len(app.scopes) == 1


@needs_curl
async def test_curl_that_speaks_plain_http_reads_why_not(own: Issued) -> None:
    async with served(Everything(), **own.options) as server:
        out = await run(["curl", "-sS", "--max-time", "10", "-w", "%{http_code}", f"http://127.0.0.1:{server.port}/"])
    assert out == b"this port speaks HTTPS: ask for https://\n400"


@asynccontextmanager
async def s_client(server: Served, authority: Authority, *args: str) -> AsyncGenerator[Peer]:
    """OpenSSL's own client: what it reads, it sends, but for single letters on a line of their own, which are orders."""
    command = ["stdbuf", "-o0", "openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", "-CAfile", str(authority.file), *args]
    async with await anyio.open_process(command, stderr=subprocess.STDOUT) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield Peer(StapledByteStream(process.stdin, process.stdout))
        finally:
            with suppress(ProcessLookupError):  # it may end by itself
                process.kill()


@needs_openssl
async def test_nobody_renegotiates(own: Issued, authority: Authority) -> None:
    async with served(Everything(), client=authority.trusted(), **own.options) as server:
        async with s_client(server, authority, "-tls1_2") as client:
            await client.until(b"Verify return code: 0 (ok)")
            await client.send(b"R\n")
            await client.until(b"no renegotiation")
        assert (await server.ask()).status == 200


@needs_openssl
async def test_a_client_may_change_its_keys_and_ours(own: Issued, authority: Authority) -> None:
    async with served(Everything(), **own.options) as server, s_client(server, authority, "-tls1_3") as client:
        await client.until(b"read R BLOCK")
        for _ in range(3):
            await client.send(b"K\n")
            await client.until(b"KEYUPDATE")
            await client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            await client.until(b"\r\n\r\nhello")


async def test_httpx2_reads_us(own: Issued, authority: Authority) -> None:
    async with served(Everything(), **own.options) as server:
        async with httpx2.AsyncClient(base_url=f"https://localhost:{server.port}", verify=authority.trusted()) as client:
            for _ in range(2):
                reply = await client.post("/", content=BIG)
                assert (reply.status_code, reply.content) == (200, BIG)


async def test_the_standard_library_reads_us(own: Issued, authority: Authority) -> None:
    async with served(Everything(), **own.options) as server:

        def ask() -> list[bytes]:
            client = http.client.HTTPSConnection("localhost", server.port, context=authority.trusted(), timeout=10)
            answers: list[bytes] = []
            for body in (b"", BIG):
                client.request("POST", "/", body)
                answers.append(client.getresponse().read())
            client.close()
            return answers

        assert await anyio.to_thread.run_sync(ask) == [b"hello", BIG]


async def test_the_websockets_library_talks_over_tls(own: Issued, authority: Authority) -> None:
    app = Everything()
    async with served(pagi_app(app), **own.options) as server:

        def talk() -> None:
            with connect(f"wss://localhost:{server.port}/", ssl=authority.trusted(), max_size=None) as client:
                for message in ("x" * 100_000, b"y", BIG, "z"):
                    client.send(message)
                    assert client.recv(10) == message
                assert client.ping().wait(10)

        await anyio.to_thread.run_sync(talk)
        await eventually(lambda: app.ends == [1000])
    assert app.scopes[0]["scheme"] == "wss"
    assert app.scopes[0]["extensions"]["tls"]["tls_version"] == 0x0304


async def test_an_event_stream_is_read_event_by_event(own: Issued, authority: Authority) -> None:
    async with served(pagi_app(Everything()), **own.options) as server:
        async with httpx2.AsyncClient(verify=authority.trusted()) as client:
            url = f"https://localhost:{server.port}/"
            async with client.stream("GET", url, headers={"accept": "text/event-stream"}) as reply:
                events = [line async for line in reply.aiter_lines() if line.startswith("data")]
    assert events == ["data: 0", "data: 1", "data: 2"]
