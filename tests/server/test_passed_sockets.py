"""Sockets that a process is started with: inherited, and passed by systemd. Each in a process of its own."""

import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.child import Child, running

APP = """
import os

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    left = [name for name in os.environ if name.startswith("LISTEN_")]
    send.full(200, [], repr((scope.get("client", ["nobody"])[0], scope["server"], left)).encode())
"""

# As systemd does: descriptors from 3 on, and variables that name the process which then runs the command.
ACTIVATE = """
import os, sys
count, names, pid, *command = sys.argv[1:]
descriptors = [int(word) for word in command.pop(0).split(",") if word]
high = [os.dup2(descriptor, 200 + place) for place, descriptor in enumerate(descriptors)]
for place, descriptor in enumerate(high):
    os.dup2(descriptor, 3 + place)
os.environ.update(LISTEN_FDS=count or str(len(descriptors)), LISTEN_PID=pid or str(os.getpid()), LISTEN_FDNAMES=names)
os.execv(command[0], command)
"""
LOOPS = ["asyncio", "trio"]


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """An application that says what it sees."""
    path = tmp_path / "served.py"
    path.write_text(APP)
    return path


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    """A socket that listens, here."""
    with socket.create_server(("127.0.0.1", 0)) as opened:
        yield opened


def port_of(opened: socket.socket) -> int:
    return int(opened.getsockname()[1])


def ask(child: Child, opened: socket.socket) -> str:
    """What the child answers on a socket that it was given."""
    client = socket.socket(opened.family)
    client.settimeout(10)
    client.connect(opened.getsockname())
    return child.get("/", client).decode()


def activated(*sockets: socket.socket, count: str = "", names: str = "", pid: str = "") -> list[str]:
    """The command to be started through."""
    return [sys.executable, "-c", ACTIVATE, count, names, pid, ",".join(str(opened.fileno()) for opened in sockets)]


def numbers(*sockets: socket.socket) -> list[int]:
    return [opened.fileno() for opened in sockets]


# ---- inherited


@pytest.mark.parametrize("loop", LOOPS)
def test_an_inherited_socket_is_served(loop: str, app: Path, tmp_path: Path, listening: socket.socket) -> None:
    fd = listening.fileno()
    with running(tmp_path, app, "--loop", loop, where=["--bind", f"fd://{fd}"], descriptors=[fd]) as child:
        assert child.port == port_of(listening)
        assert "'127.0.0.1'" in ask(child, listening)
        child.signal(signal.SIGTERM)
        assert child.exit_code() == 0


def test_a_descriptor_that_is_not_there_fails_the_start(app: Path, tmp_path: Path) -> None:
    with running(tmp_path, app, where=["--fd", "77"], listens=False) as child:
        assert child.exit_code() == 3
    assert "cannot listen on fd://77: descriptor 77: Bad file descriptor" in child.stderr


# ---- passed by systemd


@pytest.mark.parametrize("loop", LOOPS)
def test_sockets_of_systemd_are_served_in_place_of_the_default(loop: str, app: Path, tmp_path: Path, listening: socket.socket) -> None:
    path = os.path.relpath(tmp_path / "a.sock")
    with socket.socket(socket.AF_UNIX) as unix, socket.create_server(("::1", 0), family=socket.AF_INET6) as six:
        unix.bind(path)
        unix.listen()
        given = (listening, unix, six)
        with running(tmp_path, app, "--loop", loop, where=(), before=activated(*given), descriptors=numbers(*given)) as child:
            child.until_said(f"listening on http://127.0.0.1:{port_of(listening)}, unix:{path}, http://[::1]:{port_of(six)}\n")
            assert "'127.0.0.1'" in ask(child, listening)
            assert "'nobody'" in ask(child, unix)
            assert "'::1'" in ask(child, six)
            child.signal(signal.SIGTERM)
            assert child.exit_code() == 0
    assert os.path.exists(path), "the file of a socket that was passed is left to systemd"


def test_the_variables_of_systemd_are_gone_before_the_application_runs(app: Path, tmp_path: Path, listening: socket.socket) -> None:
    before = activated(listening, names="web")
    with running(tmp_path, app, where=["--bind", "systemd"], before=before, descriptors=numbers(listening)) as child:
        assert ask(child, listening).endswith(", [])")


def test_variables_for_another_process_are_not_obeyed_and_gone_all_the_same(app: Path, tmp_path: Path, listening: socket.socket) -> None:
    before = activated(listening, pid="1")
    with running(tmp_path, app, before=before, descriptors=numbers(listening)) as child:
        assert child.port != port_of(listening)
        assert child.get("/").decode().endswith(", [])")


@pytest.mark.parametrize("count", ["many", "-1", "0", "1000000"])
def test_a_count_that_cannot_be_is_not_obeyed(count: str, app: Path, tmp_path: Path) -> None:
    with running(tmp_path, app, before=activated(count=count)) as child:
        assert child.get("/").decode().endswith(", [])")


def test_a_socket_is_chosen_by_its_name(app: Path, tmp_path: Path, listening: socket.socket) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        before = activated(other, listening, names="admin:web")
        given = numbers(other, listening)
        with running(tmp_path, app, where=["--bind", "fd://web"], before=before, descriptors=given) as child:
            assert child.port == port_of(listening)
            assert "'127.0.0.1'" in ask(child, listening)
            child.until_said("sockets were passed to us that no address asks for, and they are closed: admin")


def test_a_name_that_was_not_passed_fails_the_start(app: Path, tmp_path: Path, listening: socket.socket) -> None:
    before = activated(listening, names="web")
    with running(tmp_path, app, where=["--bind", "fd://wbe"], before=before, descriptors=numbers(listening), listens=False) as child:
        assert child.exit_code() == 3
    assert "no socket was passed under the name 'wbe'; systemd passed web" in child.stderr


def test_systemd_without_sockets_fails_the_start(app: Path, tmp_path: Path) -> None:
    with running(tmp_path, app, where=["--bind", "systemd"], listens=False) as child:
        assert child.exit_code() == 3
    assert "systemd passed none, or not to this process" in child.stderr


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", ""])
def test_an_address_that_systemd_listens_on_is_taken_over(host: str, app: Path, tmp_path: Path) -> None:
    """Else it would be taken, by systemd. Its sockets are mostly for both families; one serves what stands for both."""
    both = host != "127.0.0.1"
    family = socket.AF_INET6 if both else socket.AF_INET
    with socket.create_server(("::" if both else host, 0), family=family, dualstack_ipv6=both) as opened:
        where = ["--bind", f"{host}:{port_of(opened)}"]
        with running(tmp_path, app, where=where, before=activated(opened), descriptors=numbers(opened)) as child:
            with socket.create_connection(("127.0.0.1", port_of(opened)), 10) as client:
                assert "'127.0.0.1'" in child.get("/", client).decode()
            assert "closed" not in child.stderr


def test_a_path_that_systemd_listens_on_is_taken_over(app: Path, tmp_path: Path) -> None:
    path = str(tmp_path / "a.sock")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(path)
        unix.listen()
        with running(tmp_path, app, where=["--uds", path], before=activated(unix), descriptors=numbers(unix)) as child:
            ask(child, unix)
            child.signal(signal.SIGTERM)
            assert child.exit_code() == 0
    assert os.path.exists(path)


def test_what_systemd_passes_that_is_no_listener_is_left_out(app: Path, tmp_path: Path, listening: socket.socket) -> None:
    one, other = socket.socketpair()
    with one, other:
        given = (one, listening)
        with running(tmp_path, app, where=(), before=activated(*given), descriptors=numbers(*given)) as child:
            assert child.port == port_of(listening)
            child.until_said("systemd passed something else than a listening socket, which is left alone: descriptor 3 is a connection")
