"""TLS over real sockets: handshakes that succeed and that fail, what the application is told, and what passes through. On each loop."""

import socket
import ssl
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import ByteStream, SocketAttribute
from cryptography import x509
from cryptography.x509.oid import NameOID

from tests.server import live
from tests.server.certificates import Authority, Issued
from tests.server.conftest import Lines
from tests.server.live import GET, PATIENCE_SECONDS, Peer, Served, eventually, served
from tests.server.secure_stream import SecureStream

pytestmark = pytest.mark.anyio

LOOPS: dict[str, tuple[str, dict[str, Any]]] = {
    "asyncio": ("asyncio", {"use_uvloop": False}),
    "uvloop": ("asyncio", {"use_uvloop": True}),
    "trio": ("trio", {}),
}
START: dict[str, Any] = {"type": "http.response.start", "status": 200, "headers": []}
MIB = 1024 * 1024


@pytest.fixture(scope="module", params=LOOPS)
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Each loop, uvloop as well: what is below TLS differs."""
    return LOOPS[request.param]


@pytest.fixture
def trusting(authority: Authority) -> ssl.SSLContext:
    """A client without a certificate of its own."""
    return authority.trusted()


class Echo:
    """Answers with the body it got, and keeps the scopes."""

    def __init__(self) -> None:
        self.scopes: list[dict[str, Any]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        body = b""
        while (event := await receive())["type"] == "http.request":
            body += event["body"]
            if not event["more_body"]:
                break
        send.full(200, [], body or b"hello")

    @property
    def tls(self) -> dict[str, Any]:
        """The extension of the only exchange."""
        assert len(self.scopes) == 1
        extension: dict[str, Any] = self.scopes[0]["extensions"]["tls"]
        return extension


async def greeting(server: Served, data: bytes) -> bytes:
    """All that comes back from the TLS port for these bytes, of a client that knows no TLS."""
    async with await anyio.connect_tcp("127.0.0.1", server.port) as stream:
        peer = Peer(stream)
        await peer.send(data)
        return await peer.rest()


def refused(log: Lines) -> list[str]:
    """Why handshakes failed."""
    return [line.split("TLS handshake failed: ", 1)[1] for line in log.of("pagi.server", 10) if "TLS handshake failed" in line]


# ---- what is spoken


async def test_a_request_is_answered_and_the_connection_kept(own: Issued, trusting: ssl.SSLContext) -> None:
    async with served(Echo(), client=trusting, **own.options) as server, server.peer() as peer:
        assert (await peer.ask()).body == b"hello"
        assert (await peer.ask()).body == b"hello"
        assert server.server.addresses == [f"https://127.0.0.1:{server.port}"]


async def test_the_scope_says_https_and_describes_tls(own: Issued, trusting: ssl.SSLContext) -> None:
    app = Echo()
    async with served(app, client=trusting, **own.options) as server, server.peer() as peer:
        await peer.ask()
        assert isinstance(peer.stream, SecureStream)
        cipher = peer.stream.tls.cipher()
    assert app.scopes[0]["scheme"] == "https"
    assert cipher is not None
    ids = {known["name"]: known["id"] & 0xFFFF for known in trusting.get_ciphers()}
    assert app.tls == {
        "server_cert": own.certfile.read_text(),
        "client_cert_chain": [],
        "client_cert_name": None,
        "client_cert_error": None,
        "tls_version": 0x0304,
        "cipher_suite": ids[cipher[0]],
    }


async def test_without_tls_the_scope_has_no_such_extension() -> None:
    app = Echo()
    async with served(app) as server:
        await server.ask()
    assert app.scopes[0]["scheme"] == "http"
    assert "tls" not in app.scopes[0]["extensions"]


async def test_an_exchange_cannot_change_what_the_next_is_told(own: Issued, trusting: ssl.SSLContext) -> None:
    app = Echo()
    async with served(app, client=trusting, **own.options) as server, server.peer() as peer:
        await peer.ask()
        app.scopes[0]["extensions"]["tls"]["tls_version"] = 0
        await peer.ask()
    assert app.scopes[1]["extensions"]["tls"]["tls_version"] == 0x0304


async def test_tls_1_2_is_spoken_and_described(own: Issued, trusting: ssl.SSLContext) -> None:
    trusting.maximum_version = ssl.TLSVersion.TLSv1_2
    trusting.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256")
    app = Echo()
    async with served(app, client=trusting, **own.options) as server:
        await server.ask()
    assert (app.tls["tls_version"], app.tls["cipher_suite"]) == (0x0303, 0xC02B)


@pytest.mark.parametrize(("least", "most"), [("1.2", ssl.TLSVersion.TLSv1_1), ("1.3", ssl.TLSVersion.TLSv1_2)])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
async def test_an_older_version_is_refused(least: str, most: ssl.TLSVersion, own: Issued, trusting: ssl.SSLContext, log: Lines) -> None:
    trusting.minimum_version = ssl.TLSVersion.TLSv1
    trusting.maximum_version = most
    trusting.set_ciphers("ALL:@SECLEVEL=0")
    async with served(Echo(), client=trusting, ssl_min_version=least, **own.options) as server:
        with pytest.raises(ssl.SSLError, match=r"(?i)alert protocol version"):
            await server.ask()
        await eventually(lambda: refused(log) == ["unsupported protocol"])


async def test_a_cipher_that_is_not_offered_is_refused(own: Issued, trusting: ssl.SSLContext) -> None:
    trusting.maximum_version = ssl.TLSVersion.TLSv1_2
    trusting.set_ciphers("ECDHE-ECDSA-AES256-GCM-SHA384")
    async with served(Echo(), client=trusting, ssl_ciphers="ECDHE-ECDSA-AES128-GCM-SHA256", **own.options) as server:
        with pytest.raises(ssl.SSLError, match=r"(?i)handshake failure"):
            await server.ask()


@pytest.mark.parametrize(
    ("options", "offered", "chosen"),
    [
        ({}, [], None),
        ({}, ["http/1.1"], "http/1.1"),
        ({}, ["h3", "http/1.1"], "http/1.1"),
        ({}, ["x"], None),
        ({}, ["http/1.1", "h2"], "h2"),
        ({"http2": False}, ["h2", "http/1.1"], "http/1.1"),
        ({"http2": False}, ["h2"], None),
    ],
)
async def test_the_best_that_both_speak_is_agreed_on(
    options: dict[str, Any], offered: list[str], chosen: str | None, own: Issued, trusting: ssl.SSLContext
) -> None:
    if offered:
        trusting.set_alpn_protocols(offered)
    async with served(Echo(), client=trusting, **options, **own.options) as server, server.peer() as peer:
        assert isinstance(peer.stream, SecureStream)
        assert peer.stream.tls.selected_alpn_protocol() == chosen
        if chosen == "h2":
            assert await peer.more()  # HTTP/2 has settings to say, and waits for no request
        else:
            assert (await peer.ask()).status == 200


async def test_http_2_inside_tls_is_told_as_such(own: Issued, trusting: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "SPOKEN", "HTTP/2")
    app = Echo()
    async with served(app, client=trusting, **own.options) as server:
        assert (await server.ask()).body == b"hello"
    assert (app.scopes[0]["http_version"], app.scopes[0]["scheme"]) == ("2", "https")
    assert app.tls["tls_version"] == 0x0304


async def test_a_proxy_says_whom_it_speaks_for_before_tls(own: Issued, trusting: ssl.SSLContext) -> None:
    app = Echo()
    async with served(app, proxy_protocol=True, **own.options) as server:
        async with await anyio.connect_tcp("127.0.0.1", server.port) as raw:
            await raw.send(b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 443\r\n")
            assert (await Peer(await SecureStream.wrap(raw, trusting)).ask()).status == 200
    assert app.scopes[0]["client"] == ("192.0.2.7", 4711)
    assert app.scopes[0]["scheme"] == "https"
    assert app.tls["tls_version"] == 0x0304


async def test_a_session_is_resumed(own: Issued, trusting: ssl.SSLContext) -> None:
    async with served(Echo(), client=trusting, **own.options) as server:

        def ask(session: ssl.SSLSession | None) -> tuple[ssl.SSLSession | None, bool | None]:
            raw = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_SECONDS)
            with trusting.wrap_socket(raw, server_hostname="localhost", session=session) as client:
                client.sendall(GET)
                assert client.recv(65536).endswith(b"hello")
                return client.session, client.session_reused

        session, reused = await anyio.to_thread.run_sync(ask, None)
        assert not reused
        assert (await anyio.to_thread.run_sync(ask, session))[1]


async def test_an_encrypted_key_is_served(authority: Authority, trusting: ssl.SSLContext) -> None:
    locked = authority.issue(passphrase=b"open sesame")
    async with served(Echo(), client=trusting, ssl_keyfile_password="open sesame", **locked.options) as server:
        assert (await server.ask()).status == 200


async def test_a_unix_socket_speaks_tls_too(own: Issued, trusting: ssl.SSLContext, tmp_path: Path) -> None:
    app = Echo()
    async with served(app, uds=str(tmp_path / "sock"), **own.options):
        async with await anyio.connect_unix(tmp_path / "sock") as raw, await SecureStream.wrap(raw, trusting) as stream:
            assert (await Peer(stream).ask()).status == 200
    assert app.scopes[0]["scheme"] == "https"


# ---- certificates of clients


@pytest.fixture
def ada(authority: Authority) -> Issued:
    """A client's certificate."""
    name = [x509.NameAttribute(NameOID.COMMON_NAME, "Ada, Lovelace"), x509.NameAttribute(NameOID.USER_ID, "7")]
    return authority.issue(x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Engines"), name)


@pytest.fixture
def stranger(tmp_path: Path) -> Issued:
    """A client's certificate, signed by somebody else."""
    return Authority(tmp_path, "somebody else").issue()


def asking(own: Issued, authority: Authority, how: str) -> dict[str, Any]:
    return {**own.options, "ssl_ca_certs": str(authority.file), "ssl_cert_reqs": how}


@pytest.mark.parametrize("how", ["optional", "required"])
@pytest.mark.parametrize("most", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_certificate_that_is_shown_reaches_the_application(
    how: str, most: ssl.TLSVersion, own: Issued, ada: Issued, authority: Authority
) -> None:
    context = authority.trusted(ada)
    context.maximum_version = most
    app = Echo()
    async with served(app, client=context, **asking(own, authority, how)) as server:
        assert (await server.ask()).status == 200
    assert x509.load_pem_x509_certificate(app.tls["client_cert_chain"][0].encode()) == ada.certificate
    assert app.tls["client_cert_name"] in (r"CN=Ada\, Lovelace+UID=7,O=Engines", r"UID=7+CN=Ada\, Lovelace,O=Engines")
    assert app.tls["client_cert_error"] is None


async def test_the_chain_that_is_shown_reaches_the_application_whole(own: Issued, ada: Issued, authority: Authority) -> None:
    both = authority.folder / "both.pem"
    both.write_bytes(ada.certfile.read_bytes() + authority.file.read_bytes())
    context = authority.trusted()
    context.load_cert_chain(both, ada.keyfile)
    app = Echo()
    async with served(app, client=context, **asking(own, authority, "required")) as server:
        await server.ask()
    chain = [x509.load_pem_x509_certificate(pem.encode()) for pem in app.tls["client_cert_chain"]]
    assert chain == [ada.certificate, authority.certificate]


async def test_without_a_certificate_optional_lets_in(own: Issued, authority: Authority, trusting: ssl.SSLContext) -> None:
    app = Echo()
    async with served(app, client=trusting, **asking(own, authority, "optional")) as server:
        assert (await server.ask()).status == 200
    assert (app.tls["client_cert_chain"], app.tls["client_cert_name"]) == ([], None)


async def test_without_a_certificate_required_refuses(own: Issued, authority: Authority, trusting: ssl.SSLContext, log: Lines) -> None:
    async with served(Echo(), client=trusting, **asking(own, authority, "required")) as server:
        with pytest.raises(ssl.SSLError, match=r"(?i)certificate required"):
            await server.ask()  # under TLS 1.3 a client believes itself connected until it reads
        await eventually(lambda: refused(log) == ["peer did not return a certificate"])


@pytest.mark.parametrize("how", ["optional", "required"])
async def test_a_certificate_of_a_stranger_is_refused(how: str, own: Issued, stranger: Issued, authority: Authority, log: Lines) -> None:
    async with served(Echo(), client=authority.trusted(stranger), **asking(own, authority, how)) as server:
        with pytest.raises(ssl.SSLError, match=r"(?i)alert"):
            await server.ask()
        await eventually(lambda: len(refused(log)) == 1)
    assert refused(log)[0].startswith("the client's certificate: ")


async def test_an_expired_certificate_of_a_client_is_refused(own: Issued, authority: Authority, log: Lines) -> None:
    async with served(Echo(), client=authority.trusted(authority.issue(days=-1)), **asking(own, authority, "required")) as server:
        with pytest.raises(ssl.SSLError, match=r"(?i)certificate expired"):
            await server.ask()
        await eventually(lambda: refused(log) == ["the client's certificate: certificate has expired"])


async def test_a_certificate_nobody_asked_for_is_not_seen(own: Issued, ada: Issued, authority: Authority) -> None:
    app = Echo()
    async with served(app, client=authority.trusted(ada), **own.options) as server:
        await server.ask()
    assert app.tls["client_cert_chain"] == []


# ---- handshakes that fail


@pytest.mark.parametrize("request_line", [b"GET / HTTP/1.1", b"POST /x HTTP/1.0", b"DELETE / HTTP/1.1", b"PRI * HTTP/2.0", b"G"])
async def test_plain_http_is_answered_with_400_in_plain_text(request_line: bytes, own: Issued, log: Lines) -> None:
    async with served(Echo(), **own.options) as server:
        answer = await greeting(server, request_line + b"\r\nHost: x\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert answer.endswith(b"\r\n\r\nthis port speaks HTTPS: ask for https://\n")
        assert b"content-length: %d\r\n" % len(answer.partition(b"\r\n\r\n")[2]) in answer
    assert refused(log) == ["it began with plain text"]


async def test_a_plain_upload_does_not_destroy_its_answer(own: Issued) -> None:
    async with served(Echo(), **own.options) as server:
        answer = await greeting(server, b"POST / HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1_000_000)
        assert answer.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x00\x05hello",
        b"\x16\x03\x01\xff\xff" + b"x" * 1000,
        b"\x80\x2e\x01\x00\x02",
        b"\x00" * 100,
        b"\xff",
        b"\x15\x03\x01\x00\x02\x02\x28",
    ],
)
async def test_garbage_ends_the_connection_and_no_other(data: bytes, own: Issued, trusting: ssl.SSLContext, log: Lines) -> None:
    async with served(Echo(), client=trusting, tls_handshake_seconds=0.5, **own.options) as server, server.peer() as peer:
        answer = await greeting(server, data)
        assert answer == b"" or answer[0] == 0x15  # an alert, if anything
        assert await peer.is_open()
    assert len(refused(log)) == 1
    assert log.server == [f"listening on https://127.0.0.1:{server.port}"]


async def test_a_client_that_leaves_in_the_handshake_is_forgotten(own: Issued, trusting: ssl.SSLContext, log: Lines) -> None:
    async with served(Echo(), **own.options) as server:
        for data in (b"", b"\x16\x03\x01"):
            async with await anyio.connect_tcp("127.0.0.1", server.port) as stream:
                await stream.send(data)
        await eventually(lambda: refused(log) == ["the client left"] * 2)


async def test_handshakes_that_fail_are_counted_where_somebody_may_ask(own: Issued, trusting: ssl.SSLContext) -> None:
    async with served(Echo(), client=trusting, metrics_bind="127.0.0.1:0", **own.options) as server:
        await server.ask()
        await greeting(server, GET)
        await greeting(server, b"\xff" * 10)
        assert server.server.service is not None
        figures = server.server.service.figures
        assert figures is not None
        assert (figures.accepted, figures.handshakes_failed, figures.turned_away) == (3, 2, 0)


async def test_a_handshake_that_takes_too_long_is_cut(own: Issued, log: Lines) -> None:
    async with served(Echo(), tls_handshake_seconds=0.3, **own.options) as server:
        began = anyio.current_time()
        assert await greeting(server, b"\x16") == b""
        assert 0.3 <= anyio.current_time() - began < 5
    assert refused(log) == ["it took over 0.3 s"]


async def test_a_handshake_in_small_pieces_succeeds(own: Issued, trusting: ssl.SSLContext) -> None:
    class Dripping(ByteStream):
        """Sends each byte alone."""

        def __init__(self, below: ByteStream) -> None:
            self.below = below

        async def send(self, item: bytes) -> None:
            for at in range(len(item)):
                await self.below.send(item[at : at + 1])

        async def receive(self, max_bytes: int = 65536) -> bytes:
            return await self.below.receive(max_bytes)

        async def send_eof(self) -> None:
            await self.below.send_eof()

        async def aclose(self) -> None:
            await self.below.aclose()

    async with served(Echo(), **own.options) as server:
        async with await anyio.connect_tcp("127.0.0.1", server.port) as raw:
            raw.extra(SocketAttribute.raw_socket).setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            assert (await Peer(await SecureStream.wrap(Dripping(raw), trusting)).ask()).status == 200


async def test_a_request_that_comes_with_the_end_of_the_handshake_is_answered(own: Issued, trusting: ssl.SSLContext) -> None:
    async with served(Echo(), **own.options) as server:
        async with await anyio.connect_tcp("127.0.0.1", server.port) as raw:
            stream = SecureStream(raw, trusting)
            while True:
                try:
                    stream.tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    await raw.send(stream.outgoing.read())
                    stream.incoming.write(await raw.receive())
            await Peer(stream).send(GET)  # in one packet with our Finished
            assert (await Peer(stream).reply()).body == b"hello"


async def test_a_client_over_the_limit_is_closed_without_a_word_in_plain(own: Issued, trusting: ssl.SSLContext) -> None:
    async with served(Echo(), client=trusting, max_connections=1, **own.options) as server, server.peer() as peer:
        await peer.ask()
        assert await greeting(server, b"\x16\x03\x01") == b""


async def test_an_unfinished_handshake_counts_as_a_connection(own: Issued, trusting: ssl.SSLContext) -> None:
    async with served(Echo(), client=trusting, max_connections=1, **own.options) as server:
        async with await anyio.connect_tcp("127.0.0.1", server.port):
            await anyio.sleep(0.1)
            with pytest.raises(anyio.EndOfStream):
                await server.ask()


async def test_shutdown_does_not_wait_for_a_handshake(own: Issued, log: Lines) -> None:
    async with served(Echo(), tls_handshake_seconds=30, **own.options) as server:
        async with await anyio.connect_tcp("127.0.0.1", server.port) as stream:
            await anyio.sleep(0.1)
            began = anyio.current_time()
            server.server.shutdown()
            assert await Peer(stream).rest() == b""
            assert anyio.current_time() - began < 15
    assert refused(log) == ["the server closes"]


async def test_a_request_after_a_handshake_during_shutdown_is_answered(own: Issued, trusting: ssl.SSLContext) -> None:
    async with served(Echo(), **own.options) as server:
        async with await anyio.connect_tcp("127.0.0.1", server.port) as raw:
            await anyio.sleep(0.1)
            server.server.shutdown()
            peer = Peer(await SecureStream.wrap(raw, trusting))
            reply = await peer.ask()
            assert (reply.status, reply.header(b"connection")) == (200, b"close")


# ---- what passes through


async def test_a_big_body_passes_both_ways(own: Issued, trusting: ssl.SSLContext) -> None:
    body = bytes(range(256)) * (10 * MIB // 256)
    async with served(Echo(), client=trusting, **own.options) as server, server.peer() as peer:
        await peer.stream.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body))
        await peer.stream.send(body)
        assert (await peer.reply()).body == body


async def test_a_file_passes_though_the_system_cannot_send_it(own: Issued, trusting: ssl.SSLContext, tmp_path: Path) -> None:
    content = bytes(range(256)) * (8 * MIB // 256)
    path = tmp_path / "file"
    path.write_bytes(content)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({**START, "headers": [(b"content-length", b"%d" % len(content))]})
        await send({"type": "http.response.body", "file": str(path)})

    async with served(app, client=trusting, **own.options) as server, server.peer() as peer:
        assert (await peer.ask()).body == content


async def test_a_client_that_does_not_read_holds_little_and_is_cut(own: Issued, trusting: ssl.SSLContext, log: Lines) -> None:
    scopes: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await send(START)
        while True:
            await send({"type": "http.response.body", "body": b"x" * 32_768, "more_body": True})

    async with served(app, client=trusting, write_stall_seconds=0.4, **own.options) as server, server.peer() as peer:
        await peer.send(GET)
        await eventually(lambda: bool(scopes) and scopes[0]["pagi.transport"].is_high)
        assert scopes[0]["pagi.transport"].buffered_amount <= 65_536 + 2 * 32_768
        await eventually(lambda: bool(log.access))
    assert log.access[0].endswith("write_timeout")


async def test_small_writes_to_a_client_that_does_not_read_are_no_progress(own: Issued, trusting: ssl.SSLContext, log: Lines) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        transport = scope["pagi.transport"]
        await send(START)
        while transport.buffered_amount < 200_000:
            await send({"type": "http.response.body", "body": b"x" * 32_768, "more_body": True})
        while True:  # seals in its records are no bytes that left
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
            await anyio.sleep(0.02)

    async with served(app, client=trusting, write_stall_seconds=0.5, high_water_bytes=MIB, **own.options) as server, server.peer() as peer:
        await peer.send(GET)
        await eventually(lambda: bool(log.access), 6)
    assert log.access[0].endswith("write_timeout")


async def test_the_end_of_a_connection_is_said_before_it_comes(own: Issued, trusting: ssl.SSLContext) -> None:
    async with served(Echo(), client=trusting, keep_alive_seconds=0.2, **own.options) as server, server.peer() as peer:
        await peer.ask()
        assert await peer.rest() == b""
        assert isinstance(peer.stream, SecureStream)
        assert not peer.stream.was_cut


async def test_a_refusal_is_read_by_a_client_that_still_sends(own: Issued, trusting: ssl.SSLContext) -> None:
    async with served(Echo(), client=trusting, max_body_bytes=1000, **own.options) as server, server.peer() as peer:
        await peer.stream.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000)
        assert (await peer.reply()).status == 413


async def test_bytes_that_were_changed_end_the_exchange(own: Issued, trusting: ssl.SSLContext, log: Lines) -> None:
    told: list[str] = []
    begun = anyio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["pagi.connection"].on_disconnect(told.append)
        begun.set()
        while (await receive())["type"] == "http.request":
            pass

    async with served(app, client=trusting, **own.options) as server, server.peer() as peer:
        await peer.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        await begun.wait()
        assert isinstance(peer.stream, SecureStream)
        await peer.stream.below.send(b"\x17\x03\x03\x00\x20" + b"x" * 32)
        with pytest.raises(ssl.SSLError, match=r"(?i)bad record mac"):
            await peer.more()
        await eventually(lambda: told == ["read_error"])
    assert log.errors == []


async def test_many_connect_at_once(own: Issued, trusting: ssl.SSLContext) -> None:
    async with served(Echo(), client=trusting, **own.options) as server, AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(server.peer()) for _ in range(50)]
        async with anyio.create_task_group() as group:
            for peer in peers:
                group.start_soon(peer.ask)
