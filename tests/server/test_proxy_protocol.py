"""The PROXY protocol over real sockets: who has to speak it, who may not, and what an attacker gets out of it."""

import os
import shutil
import socket
import struct
from pathlib import Path
from typing import Any

import anyio
import pytest

from pagi.server.wire.proxy_protocol import SIGNATURE
from tests.server.child import read_rest, running
from tests.server.conftest import Lines
from tests.server.live import GET, Peer, eventually, served

pytestmark = pytest.mark.anyio

V1 = b"PROXY TCP4 192.0.2.9 198.51.100.1 4711 443\r\n"
V2 = SIGNATURE + bytes([0x21, 0x11, 0, 12, 192, 0, 2, 9, 198, 51, 100, 1]) + struct.pack("!HH", 4711, 443)
LOCAL = SIGNATURE + bytes([0x20, 0, 0, 0])
UNKNOWN = b"PROXY UNKNOWN\r\n"
TOLD = b"(('192.0.2.9', 4711), ('198.51.100.1', 443))"


async def tell(scope: Any, receive: Any, send: Any) -> None:
    """Says who the two ends are."""
    send.full(200, [], repr((scope.get("client"), scope["server"])).encode())


def refusals(log: Lines) -> list[str]:
    """The server's lines about connections that it closed unanswered."""
    return [line for line in log.server if "closed unanswered" in line]


# ---- from those who may


@pytest.mark.parametrize("header", [V1, V2])
async def test_the_ends_of_the_connection_are_those_that_the_proxy_says(header: bytes) -> None:
    async with served(tell, proxy_protocol=True) as server, server.peer() as peer:
        assert (await peer.ask(header + GET)).body == TOLD
        assert (await peer.ask()).body == TOLD, "as long as the connection lasts"


@pytest.mark.parametrize("header", [V1, V2])
async def test_no_byte_behind_the_header_is_lost_however_it_arrives(header: bytes) -> None:
    """Three requests at once, cut at every place round the end of the header."""
    async with served(tell, proxy_protocol=True) as server:
        for at in range(len(header) - 3, len(header) + 4):
            async with server.peer() as peer:
                data = header + GET * 3
                await peer.send(data[:at])
                await anyio.sleep(0.005)
                await peer.send(data[at:])
                assert [(await peer.reply()).body for _ in range(3)] == [TOLD] * 3


async def test_a_header_may_arrive_byte_by_byte() -> None:
    async with served(tell, proxy_protocol=True) as server, server.peer() as peer:
        for at in range(len(V2)):
            await peer.send(V2[at : at + 1])
            await anyio.sleep(0)
        assert (await peer.ask()).body == TOLD


async def test_a_proxy_that_speaks_for_itself_is_the_client() -> None:
    async with served(tell, proxy_protocol=True) as server, server.peer() as peer:
        body = (await peer.ask(LOCAL + GET)).body
    assert body.startswith(b"(('127.0.0.1', ")
    assert f"('127.0.0.1', {server.port})".encode() in body


async def test_a_client_that_the_proxy_does_not_know_is_not_the_proxy() -> None:
    async with served(tell, proxy_protocol=True) as server, server.peer() as peer:
        assert (await peer.ask(UNKNOWN + GET)).body.startswith(b"(None, ")


async def test_a_proxy_on_a_unix_socket_says_who_the_client_is(tmp_path: Path) -> None:
    path = os.path.relpath(tmp_path / "app.sock")
    async with served(tell, proxy_protocol=True, uds=path):
        async with await anyio.connect_unix(path) as stream:
            assert (await Peer(stream).ask(V2 + GET)).body == TOLD


async def test_a_client_over_the_limit_reads_its_503(log: Lines) -> None:
    async with served(tell, proxy_protocol=True, max_connections=1) as server, server.peer() as first:
        await first.ask(V1 + GET)
        async with server.peer() as second:
            assert (await second.ask(V1 + GET)).status == 503


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
async def test_what_curl_says_is_read() -> None:
    async with served(tell, proxy_protocol=True) as server:
        url = f"http://127.0.0.1:{server.port}/"
        done = await anyio.run_process(["curl", "-sS", "--max-time", "10", "--haproxy-protocol", url, url])
    assert done.stdout.count(f"('127.0.0.1', {server.port})".encode()) == 2


@pytest.mark.parametrize("loop", ["uvloop", "asyncio", "trio"])
def test_every_loop_reads_it(loop: str, tmp_path: Path) -> None:
    app = tmp_path / "served.py"
    app.write_text('async def app(scope, receive, send):\n    send.full(200, [], repr((scope["client"], scope["server"])).encode())\n')
    with running(tmp_path, app, "--proxy-protocol", "--lifespan", "off", "--loop", loop) as child:
        for cut in (len(V2), len(V2) + 5, 20):
            with child.connect() as client:
                data = V2 + b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                client.sendall(data[:cut])
                client.sendall(data[cut:])
                assert read_rest(client).endswith(TOLD)
    assert "Traceback" not in child.stderr


# ---- attacks


async def test_a_stranger_with_a_header_is_closed_at_once_and_unanswered(log: Lines) -> None:
    async with served(tell, proxy_protocol=True, proxy_protocol_allow_ips=["10.0.0.0/8", "unix"]) as server:
        assert await server.answer_to(V1 + GET) == b""
        assert await server.answer_to(V2 + GET) == b""
    assert ["not among those who may send a PROXY header" in line for line in refusals(log)] == [True, True]
    assert log.access == []


async def test_a_stranger_is_closed_before_saying_anything(log: Lines) -> None:
    async with served(tell, proxy_protocol=True, proxy_protocol_allow_ips=["10.0.0.0/8"]) as server:
        assert await server.answer_to(b"") == b""
        await eventually(lambda: not server.server.was_cut)
    assert len(refusals(log)) == 1


async def test_a_trusted_peer_that_forgets_its_header_is_closed(log: Lines) -> None:
    """Else whoever can connect from there would be a client with the proxy's own address."""
    async with served(tell, proxy_protocol=True) as server:
        assert await server.answer_to(GET) == b""
    assert "its PROXY header is none: it begins with b'GET / HTTP/1.1\\r\\n'" in refusals(log)[0]


async def test_without_the_option_a_header_is_a_bad_request() -> None:
    async with served(tell) as server:
        assert (await server.answer_to(V1 + GET)).startswith(b"HTTP/1.1 400 ")


async def test_a_second_header_is_a_bad_request() -> None:
    """A client behind a proxy that adds a header may send one of its own, for the server to believe."""
    async with served(tell, proxy_protocol=True) as server:
        assert (await server.answer_to(V1 + V1.replace(b"192.0.2.9", b"6.6.6.6") + GET)).startswith(b"HTTP/1.1 400 ")
        assert (await server.answer_to(V2 + V2 + GET)).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"PROXY UNKNOWN " + b"x" * 200, "is a line of over 107 bytes"),
        (b"PROXY TCP4 " + b"1" * 1_000_000, "is a line of over 107 bytes"),
        (SIGNATURE + bytes([0x21, 0x11, 0xFF, 0xFF]), "announces 65535 bytes, and may have 4096"),
        (SIGNATURE + bytes([0x21, 0x11, 0xFF, 0xFF]) + bytes(65535), "announces 65535 bytes, and may have 4096"),
        (SIGNATURE + bytes([0x21, 0x11, 0, 11]) + bytes(11), "announces 11 bytes, and its addresses take 12"),
        (V2[:15] + bytes([15]) + V2[16:] + bytes([2, 255, 255]), "has a field of 65535 bytes where 0 are left"),
        (b"PROXY TCP4 192.0.2.9 198.51.100.1 4711 99999\r\n" + GET, "names no two addresses of its family with ports"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "is none"),
        (os.urandom(8192).replace(b"P", b"x").replace(b"\r", b"x"), "is none"),
    ],
    ids=["long line", "very long line", "65535", "65535 and all of them", "short addresses", "long field", "port", "TLS", "garbage"],
)
async def test_what_is_no_header_is_closed_unanswered(data: bytes, problem: str, log: Lines) -> None:
    async with served(tell, proxy_protocol=True) as server:
        assert await server.answer_to(data) == b""
        await eventually(lambda: bool(refusals(log)))
        async with server.peer() as peer:
            assert (await peer.ask(V1 + GET)).status == 200, "the next connection is served"
    assert problem in refusals(log)[0]


@pytest.mark.parametrize("data", [b"", b"P", V1[:-1], SIGNATURE, V2[:-1], SIGNATURE + bytes([0x21, 0x11, 0x0F, 0xFF]) + bytes(4000)])
async def test_a_header_that_does_not_come_is_not_awaited_for_ever(data: bytes, log: Lines) -> None:
    async with served(tell, proxy_protocol=True, head_seconds=0.2) as server:
        began = anyio.current_time()
        assert await server.answer_to(data) == b""
        assert 0.15 < anyio.current_time() - began < 5
    assert "its PROXY header took over 0.2 s" in refusals(log)[0]


async def drip(peer: Peer, data: bytes) -> None:
    for at in range(len(data)):
        await peer.stream.send(data[at : at + 1])
        await anyio.sleep(0.02)


async def test_a_header_that_drips_is_not_awaited_for_ever(log: Lines) -> None:
    async with served(tell, proxy_protocol=True, head_seconds=0.2) as server, server.peer() as peer:
        with pytest.raises(anyio.BrokenResourceError):
            await drip(peer, b"PROXY UNKNOWN ".ljust(105, b"x"))
    assert "its PROXY header took over 0.2 s" in refusals(log)[0]


async def test_a_header_cut_short_by_its_end_is_said(log: Lines) -> None:
    async with served(tell, proxy_protocol=True) as server, server.peer() as peer:
        await peer.send(V1[:10])
        await peer.end_input()
        assert await peer.rest() == b""
    assert "its PROXY header ended after 10 bytes" in refusals(log)[0]


async def test_who_only_looks_whether_somebody_listens_is_no_line_in_the_log(log: Lines) -> None:
    async with served(tell, proxy_protocol=True) as server:
        async with server.peer() as peer:
            await peer.end_input()
            assert await peer.rest() == b""
        async with server.peer() as peer:
            await peer.reset()
        async with server.peer() as peer:
            assert (await peer.ask(V1 + GET)).status == 200
    assert refusals(log) == []


async def test_a_connection_that_said_nothing_does_not_hold_up_the_end() -> None:
    async with served(tell, proxy_protocol=True, graceful_seconds=30.0) as server, server.peer() as silent, server.peer() as late:
        await silent.send(V1[:10])
        await anyio.sleep(0.05)
        server.server.shutdown()
        await anyio.sleep(0.05)
        assert (await late.ask(V1 + GET)).header(b"connection") == b"close", "its request was on its way"
        assert await silent.rest() == b""


async def test_silent_connections_count_and_are_cut_at_the_deadline() -> None:
    async with served(tell, proxy_protocol=True, graceful_seconds=0.1) as server, server.peer() as silent:
        await silent.send(V1[:10])
        await anyio.sleep(0.05)
        server.server.shutdown()
        with anyio.fail_after(5):
            assert await silent.rest() == b""


# ---- with forwarding fields behind it


FORWARDED = b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.5\r\n\r\n"


@pytest.mark.parametrize(
    ("header", "client"),
    [
        (V1, b"(('192.0.2.9', 4711), "),
        (V1.replace(b"192.0.2.9", b"10.1.1.1"), b"(('203.0.113.5', 0), "),
        (UNKNOWN, b"(None, "),
        (LOCAL, b"(('203.0.113.5', 0), "),
    ],
    ids=["a stranger", "a trusted proxy", "nobody knows", "the proxy itself"],
)
async def test_fields_are_believed_of_whom_the_header_names_and_not_of_who_passes_it_on(header: bytes, client: bytes) -> None:
    """A proxy that only passes bytes on passes on what a stranger made up, too."""
    trusted = ["127.0.0.1", "10.0.0.0/8", "unix"]
    async with served(tell, proxy_protocol=True, proxy_headers=True, forwarded_allow_ips=trusted) as server, server.peer() as peer:
        assert (await peer.ask(header + FORWARDED)).body.startswith(client)
