"""The process on a taken port: found on Linux, and never an error where it is not."""

import os
import socket
import sys
from pathlib import Path

import pytest

from pagi.server.options import ListenOptions
from pagi.server.process.listeners import CannotListen, open_listeners
from pagi.server.process.port_owner import owner_of

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells without being asked")


@linux
def test_the_listener_of_a_port_is_named_with_its_pid() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        owner = owner_of(taken.getsockname()[1])
        assert owner is not None
        assert owner.endswith(f" (pid {os.getpid()})")


@linux
def test_a_taken_port_names_who_has_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        with pytest.raises(CannotListen, match=rf"\(pid {os.getpid()}\) listens there\. Choose another port"):
            open_listeners(ListenOptions(port=taken.getsockname()[1]))


@linux
def test_a_port_that_is_only_connected_has_no_listener() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert owner_of(client.getsockname()[1]) is None


def test_a_system_without_tables_says_nothing(tmp_path: Path) -> None:
    assert owner_of(80, tmp_path / "absent") is None


@pytest.mark.parametrize(
    "line",
    [
        "   0: 0100007F:0050 00000000:0000 0A",
        "   0: 0100007F:ZZZZ 00000000:0000 0A 0 0 0 0 0 77",
        "   0: 0100007F:0050 x 0A 0 0 0 0 0 77",
        "x",
    ],
)
def test_a_table_that_cannot_be_read_says_nothing(line: str, tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text(f"{HEAD}{line}\n")
    assert owner_of(80, tmp_path) is None


def test_a_process_of_somebody_else_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text(f"{HEAD}   0: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 77\n")
    (tmp_path / "1").mkdir()
    descriptors = tmp_path / "2" / "fd"
    descriptors.mkdir(parents=True)
    (descriptors / "3").symlink_to("socket:[77]")
    (tmp_path / "2" / "comm").write_text("nginx\n")
    assert owner_of(80, tmp_path) == "nginx (pid 2)"
