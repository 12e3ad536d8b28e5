"""Forwarding fields over real sockets: whose are believed, and what an attacker gets out of the others."""

import os
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest
from wsproto.events import TextMessage

from tests.server.conftest import Lines
from tests.server.live import Peer, Served, eventually, handshake, served
from tests.server.many_streams import connected

pytestmark = pytest.mark.anyio

FIELDS = (b"host", b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-real-ip", b"x-forwarded-user")


def told(scope: Any) -> bytes:
    """What the application is told about the client."""
    client = scope.get("client")
    fields = [(name.decode(), value.decode()) for name, value in scope["headers"] if name in FIELDS[1:]]
    host = dict(scope["headers"])[b"host"].decode()
    return msgspec.json.encode({"client": client and client[0], "scheme": scope["scheme"], "host": host, "fields": fields})


async def tell(scope: Any, receive: Any, send: Any) -> None:
    """Answers with that."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": told(scope).decode()})
        await send({"type": "websocket.close"})
    else:
        send.full(200, [], told(scope))


async def heard(server: Served, *fields: str) -> dict[str, Any]:
    """What the application was told, of a request with these fields."""
    return read((await server.ask("\r\n".join(["GET / HTTP/1.1", "Host: inner", *fields, "", ""]).encode())).body)


def read(body: bytes) -> dict[str, Any]:
    """What `told` wrote."""
    return msgspec.json.decode(body, type=dict[str, Any])


SPOOF = (
    "X-Forwarded-For: 6.6.6.6",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Host: evil.example",
    "X-Real-IP: 6.6.6.6",
    "X-Forwarded-User: root",
)


async def test_without_the_option_fields_are_fields() -> None:
    async with served(tell) as server:
        said = await heard(server, *SPOOF, "Forwarded: for=6.6.6.6")
    assert (said["client"], said["scheme"], said["host"]) == ("127.0.0.1", "http", "inner")
    assert len(said["fields"]) == 6, "nothing is hidden from an application that reads them itself"


async def test_a_stranger_speaks_only_for_himself() -> None:
    async with served(tell, proxy_headers=True, forwarded_allow_ips=["10.0.0.0/8", "unix", "::1"]) as server:
        said = await heard(server, *SPOOF, "Forwarded: for=6.6.6.6;proto=https")
    assert said == {"client": "127.0.0.1", "scheme": "http", "host": "inner", "fields": []}


async def test_a_proxy_on_this_machine_is_believed_by_default() -> None:
    async with served(tell, proxy_headers=True) as server:
        said = await heard(server, "X-Forwarded-For: 192.0.2.9", "X-Forwarded-Proto: https")
    assert (said["client"], said["scheme"]) == ("192.0.2.9", "https")


async def test_a_proxy_that_passes_on_what_the_client_made_up_is_believed_in_what_it_added() -> None:
    async with served(tell, proxy_headers=True) as server:
        said = await heard(server, "X-Forwarded-For: 127.0.0.1, 6.6.6.6, 192.0.2.9", *SPOOF[2:4])
    assert said["client"] == "192.0.2.9"
    assert said["host"] == "inner"
    assert said["fields"] == [["x-forwarded-for", "192.0.2.9"]], "nor can an application be deceived that reads the left end"


async def test_a_chain_of_trusted_proxies_is_followed_to_its_first_stranger() -> None:
    async with served(tell, proxy_headers=True, forwarded_allow_ips=["127.0.0.1", "10.0.0.0/8"]) as server:
        assert (await heard(server, "X-Forwarded-For: 10.9.9.9, 192.0.2.9, 10.0.0.2", "X-Forwarded-For: 10.0.0.1"))["client"] == "192.0.2.9"


async def test_fields_of_the_other_family_are_not_read_and_not_seen() -> None:
    async with served(tell, proxy_headers=True) as server:
        said = await heard(server, "Forwarded: for=6.6.6.6;proto=https;host=evil.example")
        assert said == {"client": "127.0.0.1", "scheme": "http", "host": "inner", "fields": []}
    async with served(tell, proxy_headers=True, forwarded="rfc7239") as server:
        said = await heard(server, *SPOOF[:4], "Forwarded: for=192.0.2.9;proto=https")
        assert said == {"client": "192.0.2.9", "scheme": "https", "host": "inner", "fields": [["forwarded", "for=192.0.2.9;proto=https"]]}


async def test_a_quote_left_open_does_not_swallow_what_the_proxy_adds() -> None:
    async with served(tell, proxy_headers=True, forwarded="rfc7239") as server:
        assert (await heard(server, 'Forwarded: for="6.6.6.6, for=192.0.2.9'))["client"] == "192.0.2.9"
        assert (await heard(server, 'Forwarded: for="6.6.6.6', 'Forwarded: for="192.0.2.9:1"'))["client"] == "192.0.2.9"


@pytest.mark.parametrize("field", ["X-Forwarded-For: unknown", "X-Forwarded-For: 192.0.2.9, 127.0.0.1:99999", "X-Forwarded-For: ;DROP"])
async def test_a_client_that_cannot_be_read_does_not_become_the_proxy(field: str) -> None:
    """Else whoever is not known would be a client of this machine."""
    async with served(tell, proxy_headers=True) as server:
        assert (await heard(server, field))["client"] is None


async def test_a_host_is_believed_where_it_is_named() -> None:
    fields = ["for", "proto", "host"]
    async with served(tell, proxy_headers=True, forwarded_fields=fields) as server:
        assert (await heard(server, "X-Forwarded-Host: example.org"))["host"] == "example.org"
        assert (await heard(server, "X-Forwarded-Host: evil.example\texample.org"))["host"] == "inner"


async def test_trusting_everybody_still_reads_from_the_right_and_warns(log: Lines) -> None:
    async with served(tell, proxy_headers=True, forwarded_allow_ips=["*"]) as server:
        assert (await heard(server, "X-Forwarded-For: 6.6.6.6, 192.0.2.9"))["client"] == "192.0.2.9"
    assert any("every peer (*)" in line for line in log.server)


async def test_a_websocket_behind_tls_is_secure() -> None:
    async with served(tell, proxy_headers=True) as server, server.peer() as peer:
        session = await handshake(peer, extra_headers=[(b"X-Forwarded-Proto", b"https"), (b"X-Forwarded-For", b"192.0.2.9")])
        message = await session.next()
        assert isinstance(message, TextMessage)
        said = read(message.data.encode())
    assert (said["client"], said["scheme"]) == ("192.0.2.9", "wss")


async def test_every_request_of_a_connection_is_read_anew() -> None:
    async with served(tell, proxy_headers=True) as server, server.peer() as peer:
        for host in ("192.0.2.9", "192.0.2.10"):
            reply = await peer.ask(f"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: {host}\r\n\r\n".encode())
            assert read(reply.body)["client"] == host
        assert read((await peer.ask()).body)["client"] == "127.0.0.1"


async def test_every_stream_of_an_http2_connection_has_fields_of_its_own() -> None:
    async with served(tell, proxy_headers=True) as server, connected(server) as client:
        hosts = ["192.0.2.9", "192.0.2.10"]
        asked = [await client.ask("/", "GET", (b"x-forwarded-for", host.encode()), (b"x-forwarded-proto", b"https")) for host in hosts]
        told = [read((await client.reply(stream_id)).body) for stream_id in asked]
    assert [(said["client"], said["scheme"]) for said in told] == [(host, "https") for host in hosts]


async def test_a_proxy_on_a_unix_socket_is_believed(tmp_path: Path) -> None:
    path = os.path.relpath(tmp_path / "app.sock")
    async with served(tell, proxy_headers=True, uds=path):
        async with await anyio.connect_unix(path) as stream:
            peer = Peer(stream)
            reply = await peer.ask(b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.9\r\n\r\n")
            assert read(reply.body)["client"] == "192.0.2.9"
            assert read((await peer.ask()).body)["client"] is None, "the next request has no such field, and the socket no client"


async def test_the_access_log_names_the_client_and_not_the_proxy(log: Lines) -> None:
    async with served(tell, proxy_headers=True) as server:
        await heard(server, "X-Forwarded-For: 192.0.2.9")
        await eventually(lambda: bool(log.access))
    assert " 192.0.2.9:0 " in log.access[0]
