"""Where the server listens: ports, Unix sockets, what goes wrong there, and how many clients it takes."""

import errno
import os
import socket
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest

from pagi.http.errors import ConfigError
from pagi.server import Server
from pagi.server.options import ListenOptions
from pagi.server.process.listeners import CannotListen, open_listeners
from pagi.server.transports import accepting
from tests.server.conftest import Lines
from tests.server.live import GET, Peer, eventually, served

pytestmark = pytest.mark.anyio


async def tell(scope: Any, receive: Any, send: Any) -> None:
    """Says who the two ends are."""
    send.full(200, [], repr((scope.get("client", "nobody"), scope["server"])).encode())


async def test_port_0_takes_a_free_one_and_says_which() -> None:
    async with served(tell) as server:
        assert server.port == server.server.port
        assert server.server.addresses == [f"http://127.0.0.1:{server.port}"]
        assert f"('127.0.0.1', {server.port})".encode() in (await server.ask()).body


async def test_a_server_has_no_address_before_it_listens() -> None:
    server = Server(tell, port=0, lifespan="off")
    assert (server.port, server.addresses) == (None, [])
    async with anyio.create_task_group() as group:
        port = await group.start(server.serve)
        assert (server.port, server.addresses) == (port, [f"http://127.0.0.1:{port}"])
        server.shutdown()


async def test_a_server_whose_serving_returned_listens_no_more() -> None:
    async with served(tell) as server:
        await server.ask()
    with pytest.raises(OSError):
        await server.ask()


def nodelay_towards(client: tuple[str, int]) -> int:
    """The TCP_NODELAY of this process's socket whose other end is `client`."""
    for number in range(3, 512):
        with suppress(OSError):
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                with socket.socket(fileno=os.dup(number)) as found:
                    if found.getpeername() == client:
                        return found.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    raise AssertionError(f"no socket leads to {client}")


async def test_small_writes_do_not_wait_for_the_network() -> None:
    """Nagle's algorithm is off on every TCP connection, so there is nothing to flush."""
    flags: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        flags.append(nodelay_towards(scope["client"]))
        send.full(200, [], b"")

    async with served(app) as server:
        assert (await server.ask()).status == 200
    assert flags
    assert all(flags)


async def test_a_taken_port_is_said_with_the_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=f"port {port}.*--port"):
            await Server(tell, port=port).serve()


# ---- several addresses


async def answer_of(port: int, host: str = "127.0.0.1") -> bytes:
    """The body of an answer on a port."""
    async with await anyio.connect_tcp(host, port) as stream:
        return (await Peer(stream).ask()).body


async def test_several_addresses_of_every_kind_are_served_at_once(path: str) -> None:
    async with served(tell, bind=["127.0.0.1:0", "[::1]:0", f"unix:{path}"]) as server:
        first, second, third = server.server.addresses
        assert first == f"http://127.0.0.1:{server.port}"
        assert second.startswith("http://[::1]:")
        assert third == f"unix:{path}"
        assert f"('127.0.0.1', {server.port})".encode() in await answer_of(server.port)
        assert b"('::1', " in await answer_of(int(second.rpartition(":")[2]), "::1")
        assert b"'nobody'" in await answer_at(path)
    assert not os.path.exists(path)


async def test_a_port_without_a_host_is_every_address_of_the_machine() -> None:
    async with served(tell, bind=[":0"]) as server:
        assert b"'127.0.0.1'" in await answer_of(server.port)
        assert b"'::1'" in await answer_of(server.port, "::1")
        assert server.server.addresses == [f"http://0.0.0.0:{server.port}", f"http://[::]:{server.port}"]


async def test_an_ipv6_address_leaves_ipv4_to_others() -> None:
    async with served(tell, bind=["[::]:0"]) as server:
        with socket.create_server(("0.0.0.0", server.port)):
            assert b"'::1'" in await answer_of(server.port, "::1")


async def test_the_port_reported_is_the_first_there_is(path: str) -> None:
    async with served(tell, bind=[f"unix:{path}", "127.0.0.1:0"]) as server:
        assert f"http://127.0.0.1:{server.port}" in server.server.addresses


async def test_one_address_that_cannot_be_bound_leaves_nothing_behind(path: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=rf"127\.0\.0\.1 port {port}.*--bind"):
            await Server(tell, bind=[f"unix:{path}", f"127.0.0.1:{port}"]).serve()
    assert not os.path.exists(path)


async def test_every_unix_socket_has_the_mode(path: str) -> None:
    async with served(tell, bind=[f"unix:{path}.1", f"unix:{path}.2"], uds_mode=0o660):
        assert [stat.S_IMODE(os.stat(f"{path}.{n}").st_mode) for n in (1, 2)] == [0o660, 0o660]


async def test_a_descriptor_that_listens_is_served() -> None:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        port = opened.getsockname()[1]
        async with served(tell, fd=opened.detach()):
            assert b"'127.0.0.1'" in await answer_of(port)


async def test_a_descriptor_that_is_only_bound_begins_to_listen(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(path)
        async with served(tell, bind=[f"fd://{opened.detach()}"]):
            assert b"nobody" in await answer_at(path)
    assert os.path.exists(path), "its file is left to whoever bound it"


async def test_ipv4_on_a_socket_for_both_families_is_ipv4() -> None:
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as opened:
        port = opened.getsockname()[1]
        async with served(tell, fd=opened.detach()):
            assert (await answer_of(port)).startswith(b"(('127.0.0.1', ")


def connected() -> socket.socket:
    """One end of a connection; the other is gone."""
    one, other = socket.socketpair()
    other.close()
    return one


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: socket.socket(), "is bound to nothing"),
        (lambda: socket.socket(socket.AF_UNIX), "is bound to nothing"),
        (lambda: socket.socket(type=socket.SOCK_DGRAM), "is no stream socket"),
        (lambda: connected(), "is a connection, not a listening socket"),
        (lambda: open(os.devnull, "rb"), "non-socket"),  # noqa: SIM115
    ],
)
def test_a_descriptor_that_cannot_be_served_is_said_and_left_open(make: Callable[[], Any], problem: str) -> None:
    with make() as other:
        with pytest.raises(CannotListen, match=f"^cannot listen on fd://{other.fileno()}: descriptor {other.fileno()}.*{problem}"):
            open_listeners(ListenOptions(fd=other.fileno()))
        os.fstat(other.fileno())


def test_a_closed_descriptor_is_said() -> None:
    with pytest.raises(CannotListen, match="Bad file descriptor"):
        open_listeners(ListenOptions(fd=9_999))


def test_options_made_by_hand_cannot_say_two_things_either() -> None:
    with pytest.raises(ConfigError, match="bind and port both say where to listen"):
        open_listeners(ListenOptions(bind=(":0",), port=1))


# ---- what goes wrong


async def test_a_host_that_is_no_address_is_said() -> None:
    with pytest.raises(CannotListen, match="no-such-host"):
        await Server(tell, host="no-such-host.invalid", port=0).serve()


async def test_a_port_can_be_used_again_at_once() -> None:
    async with served(tell) as server:
        await server.ask()
        port = server.port
    async with served(tell, port=port) as server:
        assert (await server.ask()).status == 200


async def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(ConfigError, match="prot"):
        Server(tell, prot=1)


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Where a Unix socket may stand: short, for the kernel takes 107 bytes."""
    return os.path.relpath(tmp_path / "app.sock")


async def answer_at(path: str) -> bytes:
    """The body of an answer over a Unix socket."""
    stream = await anyio.connect_unix(path)
    async with stream:
        await stream.send(GET)
        peer = Peer(stream)
        return (await peer.reply()).body


async def test_a_unix_socket_is_served_and_removed(path: str) -> None:
    async with served(tell, uds=path) as server:
        assert server.server.port is None
        assert server.server.addresses == [f"unix:{path}"]
        assert await answer_at(path) == repr(("nobody", (path, None))).encode()
    assert not os.path.exists(path)


async def test_a_stale_unix_socket_is_replaced(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(path)
    async with served(tell, uds=path):
        assert b"nobody" in await answer_at(path)


async def test_a_unix_socket_in_use_is_left_alone(path: str) -> None:
    async with served(tell, uds=path):
        with pytest.raises(CannotListen, match="another server"):
            await Server(tell, uds=path).serve()
        assert b"nobody" in await answer_at(path)


async def test_a_file_that_is_no_socket_is_left_alone(path: str) -> None:
    Path(path).write_text("precious")
    with pytest.raises(CannotListen, match=r"app\.sock"):
        await Server(tell, uds=path).serve()
    assert Path(path).read_text() == "precious"


async def test_a_folder_that_does_not_exist_is_said(tmp_path: Path) -> None:
    with pytest.raises(CannotListen, match="No such file"):
        await Server(tell, uds=str(tmp_path / "none" / "app.sock")).serve()


async def test_a_client_over_the_limit_gets_503_and_the_next_one_is_welcome() -> None:
    async with served(tell, max_connections=2) as server:
        async with server.peer() as first, server.peer() as second:
            assert (await first.ask()).status == (await second.ask()).status == 200
            async with server.peer() as third:
                reply = await third.reply()
                assert (reply.status, reply.header(b"connection"), reply.header(b"retry-after")) == (503, b"close", b"5")
                assert await third.rest() == b""
            assert (await first.ask()).status == 200
        with anyio.fail_after(20):
            while (await server.ask()).status != 200:
                await anyio.sleep(0.02)


async def test_clients_that_are_turned_away_are_one_line_of_the_log(log: Lines) -> None:
    async with served(tell, max_connections=1) as server, server.peer() as first:
        await first.ask()
        for _ in range(3):
            async with server.peer() as other:
                assert (await other.reply()).status == 503
    assert [line for line in log.server if "503" in line] == [
        "1 connections are open, as many as may be: others get 503; raise max_connections if more would fit"
    ]


async def test_a_refused_client_that_speaks_first_reads_its_503() -> None:
    """A reset would destroy the answer (RFC 9112 section 9.6)."""
    async with served(tell, max_connections=1) as server, server.peer() as first:
        await first.ask()
        async with server.peer() as second:
            await second.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + b"x" * 100_000)
            assert (await second.reply()).status == 503


async def test_no_limit_is_no_limit() -> None:
    async with served(tell, max_connections=0) as server:
        peers = [server.peer() for _ in range(20)]
        for peer in peers:
            await (await peer.__aenter__()).ask()
        for peer in peers:
            await peer.__aexit__(None, None, None)


async def test_a_root_path_stands_before_the_path() -> None:
    scopes: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        send.full(200, [], b"")

    async with served(app, root_path="/app") as server:
        await server.ask(b"GET /a%20b?c HTTP/1.1\r\nHost: x\r\n\r\n")
        await eventually(lambda: bool(scopes))
    scope = scopes[0]
    assert (scope["root_path"], scope["path"], scope["raw_path"], scope["query_string"]) == ("/app", "/app/a b", b"/app/a%20b", b"c")


async def test_sockets_that_listen_already_are_served(path: str) -> None:
    listening = open_listeners(ListenOptions(uds=path)).sockets
    server = Server(tell)
    async with anyio.create_task_group() as group:
        await group.start(server.serve, listening)
        async with await anyio.connect_unix(path) as stream:
            await stream.send(GET)
            assert (await stream.receive()).startswith(b"HTTP/1.1 200 ")
        server.shutdown()
    assert os.path.exists(path), "the file is left to whoever bound it"
    assert listening[0].fileno() == -1


class Exhausted(socket.socket):
    """A listening socket of a process that has no descriptor left, until `is_over`."""

    is_over = False

    def accept(self) -> tuple[socket.socket, Any]:
        if self.is_over:
            return super().accept()
        raise OSError(errno.EMFILE, "Too many open files")


async def test_a_process_out_of_descriptors_pauses_and_accepts_again(log: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accepting, "CALM_SECONDS", 0.0)
    listening = Exhausted(socket.AF_INET, socket.SOCK_STREAM)
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    listening.setblocking(False)
    server = Server(tell, lifespan="off")
    async with anyio.create_task_group() as group:
        await group.start(server.serve, [listening])
        async with await anyio.connect_tcp(*listening.getsockname()) as stream:
            await stream.send(GET)
            with anyio.move_on_after(0.35) as waited:
                await stream.receive()
            assert waited.cancelled_caught
            listening.is_over = True
            with anyio.fail_after(20):
                assert (await stream.receive()).startswith(b"HTTP/1.1 200 ")
        server.shutdown()
    assert len(log.errors) == 1
    assert "Too many open files" in log.errors[0]
