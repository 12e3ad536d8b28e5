"""A pid file is held by a lock: a stale one is taken over, one in use is not, and nothing else is ever overwritten."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pagi.server.process.pid_file import PidFile, PidFileRefused


@pytest.fixture
def held(tmp_path: Path) -> Iterator[PidFile]:
    """One that is ours."""
    file = PidFile.take(tmp_path / "pagi.pid")
    yield file
    file.remove()


def test_it_holds_our_process_id(held: PidFile) -> None:
    held.write()
    assert held.path.read_text() == f"{os.getpid()}\n"


def test_a_shorter_number_leaves_nothing_of_a_longer_one(tmp_path: Path) -> None:
    path = tmp_path / "pagi.pid"
    path.write_text("99999999999\n")
    file = PidFile.take(path)
    file.write()
    assert path.read_text() == f"{os.getpid()}\n"
    file.remove()


def test_who_else_wants_it_is_told_who_holds_it(held: PidFile) -> None:
    held.write()
    with pytest.raises(PidFileRefused, match=f"process {os.getpid()} runs and holds the pid file"):
        PidFile.take(held.path)
    assert held.path.read_text() == f"{os.getpid()}\n"


def test_one_that_its_process_left_behind_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "pagi.pid"
    code = f"import os; from pagi.server.process.pid_file import PidFile; PidFile.take({str(path)!r}).write(); os._exit(1)"
    subprocess.run([sys.executable, "-c", code], check=False)
    assert path.read_text().strip().isdigit()
    file = PidFile.take(path)
    file.remove()
    assert not path.exists()


def test_whoever_inherits_the_descriptor_holds_it_too(tmp_path: Path) -> None:
    path = tmp_path / "pagi.pid"
    first = PidFile.take(path)
    heir = PidFile(path, os.dup(first.descriptor))
    first.let_go()
    with pytest.raises(PidFileRefused):
        PidFile.take(path)
    heir.remove()
    assert not path.exists()


def test_one_that_somebody_else_put_in_its_place_is_left_alone(held: PidFile) -> None:
    held.path.unlink()
    held.path.write_text("1\n")
    file = PidFile(held.path, os.dup(held.descriptor))
    file.remove()
    assert held.path.read_text() == "1\n"
    held.path.unlink()


@pytest.mark.parametrize("text", ["app = 1\n", "12 34\n", "-5\n"])
def test_a_file_that_holds_something_else_is_left_alone(text: str, tmp_path: Path) -> None:
    path = tmp_path / "main.py"
    path.write_text(text)
    with pytest.raises(PidFileRefused, match="holds something else than a process id"):
        PidFile.take(path)
    assert path.read_text() == text


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "pagi.pid").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PidFileRefused, match="cannot be written"):
        PidFile.take(tmp_path / "pagi.pid")
    assert not (tmp_path / "elsewhere").exists()


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(PidFileRefused, match="No such file or directory"):
        PidFile.take(tmp_path / "run" / "pagi.pid")
