"""Which framing is spoken over TLS: the one that ALPN chose. On each loop."""

from typing import Any

import anyio
import pytest

from tests.server.certificates import Authority, Issued
from tests.server.live import Peer, served
from tests.server.many_streams import Client
from tests.server.secure_stream import SecureStream
from tests.server.test_tls import Echo, anyio_backend

__all__ = ["anyio_backend"]

pytestmark = pytest.mark.anyio


async def spoken(offered: list[str], own: Issued, authority: Authority, **options: Any) -> tuple[str | None, str]:
    """What ALPN chose of what a client offered, and what the scope of its request says."""
    context = authority.trusted()
    if offered:
        context.set_alpn_protocols(offered)
    app = Echo()
    async with served(app, client=context, **own.options, **options) as server, server.peer() as peer:
        assert isinstance(peer.stream, SecureStream)
        chosen = peer.stream.tls.selected_alpn_protocol()
        if chosen == "h2":
            await ask_over_http_2(peer)
        else:
            assert (await peer.ask()).status == 200
    assert app.scopes[0]["scheme"] == "https"
    return chosen, app.scopes[0]["http_version"]


async def ask_over_http_2(peer: Peer) -> None:
    """A request on a stream, and its answer."""
    async with anyio.create_task_group() as group:
        client = Client(peer.stream)
        group.start_soon(client.run)
        reply = await client.reply(await client.ask())
        assert (reply.status, reply.body) == (200, b"hello")
        group.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("offered", "chosen", "version"),
    [
        (["h2", "http/1.1"], "h2", "2"),
        (["http/1.1", "h2"], "h2", "2"),
        (["h2"], "h2", "2"),
        (["http/1.1"], "http/1.1", "1.1"),
        ([], None, "1.1"),
    ],
)
async def test_alpn_chooses_between_the_framings(
    offered: list[str], chosen: str | None, version: str, own: Issued, authority: Authority
) -> None:
    assert await spoken(offered, own, authority) == (chosen, version)


async def test_without_the_option_alpn_never_chooses_http_2(own: Issued, authority: Authority) -> None:
    assert await spoken(["h2", "http/1.1"], own, authority, http2=False) == ("http/1.1", "1.1")


async def test_over_tls_http_2_has_to_be_agreed_on(own: Issued, authority: Authority) -> None:
    """RFC 9113 section 3.2: prior knowledge is for connections in the clear."""
    async with served(Echo(), client=authority.trusted(), **own.options) as server:
        assert (await server.answer_to(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")).startswith(b"HTTP/1.1 ")
