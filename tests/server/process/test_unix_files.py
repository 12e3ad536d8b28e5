"""The files of Unix sockets: who may connect, which are stale, and whose they are to remove."""

import os
import socket
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from pagi.server.options import ListenOptions
from pagi.server.process.listeners import CannotListen, open_listeners
from pagi.server.process.unix_files import UnixFile, bind_unix


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Where a Unix socket may stand: short, for the kernel takes 107 bytes."""
    return os.path.relpath(tmp_path / "app.sock")


@contextmanager
def umask(mask: int) -> Generator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def mode_of(path: str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def test_the_mode_is_what_was_asked_for_whatever_the_umask(path: str) -> None:
    with umask(0o077), socket.socket(socket.AF_UNIX) as opened:
        bind_unix(opened, path, 0o666)
        assert mode_of(path) == 0o666
        assert os.umask(0o077) == 0o077, "the umask is as it was"


def test_without_a_mode_the_umask_decides(path: str) -> None:
    with umask(0o027), socket.socket(socket.AF_UNIX) as opened:
        bind_unix(opened, path, None)
        assert mode_of(path) == 0o750


def test_there_is_no_moment_in_which_others_may_connect(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before_chmod: list[int] = []

    def chmod(place: str, mode: int) -> None:
        before_chmod.append(mode_of(place))

    monkeypatch.setattr(os, "chmod", chmod)
    with umask(0), socket.socket(socket.AF_UNIX) as opened:
        bind_unix(opened, path, 0o660)
    assert before_chmod == [0o600]


def test_the_umask_comes_back_when_the_bind_fails(path: str) -> None:
    with umask(0o022), socket.socket(socket.AF_UNIX) as opened:
        with pytest.raises(OSError, match="No such file"):
            bind_unix(opened, f"{path}/none/app.sock", 0o660)
        assert os.umask(0o022) == 0o022


def test_a_file_is_removed_by_who_made_it(path: str) -> None:
    listeners = open_listeners(ListenOptions(uds=path))
    assert os.path.exists(path)
    listeners.close()
    assert not os.path.exists(path)


def test_the_file_of_a_successor_is_left_alone(path: str) -> None:
    """As after a restart that overlaps: the old process ends when the new one has its own file at the path."""
    old = open_listeners(ListenOptions(uds=path))
    old.sockets[0].close()
    new = open_listeners(ListenOptions(uds=path))
    old.close()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(path)
    new.close()


def test_a_file_that_was_given_away_is_left_alone(path: str) -> None:
    listeners = open_listeners(ListenOptions(uds=path))
    listeners.keep_files()
    listeners.close()
    assert os.path.exists(path)


def test_a_file_in_another_files_place_is_left_alone(path: str) -> None:
    listeners = open_listeners(ListenOptions(uds=path))
    os.unlink(path)
    Path(path).write_text("precious")
    listeners.close()
    assert Path(path).read_text() == "precious"


def test_a_file_that_somebody_removed_is_no_failure(path: str) -> None:
    listeners = open_listeners(ListenOptions(uds=path))
    os.unlink(path)
    listeners.close()


def test_it_is_found_again_after_the_current_folder_changed(path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    listeners = open_listeners(ListenOptions(uds="app.sock"))
    monkeypatch.chdir("/")
    listeners.close()
    assert not (tmp_path / "app.sock").exists()


def test_two_files_at_one_path_are_told_apart_even_by_their_time_alone(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(path)
        first = UnixFile.at(path)
        assert first is not None
        os.utime(path, ns=(1, 1))
        assert first.remove() is False


def test_who_cannot_be_asked_is_left_alone(path: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        other.bind(path)
        with pytest.raises(CannotListen, match="nobody could be asked whether another server listens there: Protocol wrong type"):
            open_listeners(ListenOptions(uds=path))
        assert os.path.exists(path)


def test_a_server_too_busy_to_accept_is_left_alone(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as busy, socket.socket(socket.AF_UNIX) as first, socket.socket(socket.AF_UNIX) as second:
        busy.bind(path)
        busy.listen(0)
        first.connect(path)
        second.setblocking(False)
        with suppress(BlockingIOError):
            second.connect(path)
        with pytest.raises(CannotListen, match="another server listens there"):
            open_listeners(ListenOptions(uds=path))
        assert os.path.exists(path)


def test_a_path_that_is_too_long_is_said(tmp_path: Path) -> None:
    with pytest.raises(CannotListen, match="AF_UNIX path too long"):
        open_listeners(ListenOptions(uds=str(tmp_path / ("x" * 120))))
