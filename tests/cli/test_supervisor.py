"""What a supervisor is to the operating system, and what its workers are told."""

import json
import os
import pty
import pwd
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from pagi.cli import programs
from pagi.cli.flags import ServerFlag, server_flags
from pagi.server.options import ServerOptions
from tests.cli.developing import PATIENCE_SECONDS, is_alive, until
from tests.cli.supervised import APP, supervised
from tests.server.certificates import Authority

ROOT = Path(__file__).parents[2]
TWO = ("--workers", "2")
ONE = ("--workers", "1", "--pid-file", "pid")
"""A supervisor, for its pid file, above a single worker."""
FOUND_BY_PATH = {"PYTHONPATH": os.pathsep.join([*(path for path in sys.path if path.endswith("site-packages")), str(ROOT)])}
"""How another Python of this version finds pagi and what it needs."""
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")

LOOKS = """
import gc, json, os, sys
import msgspec
from pagi.server.service import Service

IMPORTED_BY = os.getresgid()
MASK = os.umask(0)
os.umask(MASK)

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        service = next(each for each in gc.get_objects() if type(each) is Service)
        with open(f"options-{os.getpid()}.new", "wb") as file:
            file.write(msgspec.json.encode(service.options))
        os.rename(file.name, file.name.replace(".new", ".json"))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    if scope["path"] == "/environment":
        answer = dict(os.environ)
    elif scope["path"] == "/rights":
        answer = [IMPORTED_BY, os.getresuid(), os.getresgid(), os.getgroups(), MASK]
    else:
        answer = [sys.argv, os.getcwd(), sorted(map(int, os.listdir("/proc/self/fd")))]
    send.full(200, [], json.dumps(answer).encode())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project whose application says `one` and its process id."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "main.py").write_text(APP)
    return folder


@pytest.fixture
def looking(folder: Path) -> Path:
    """A project whose application tells of the process that it runs in."""
    (folder / "main.py").write_text(LOOKS)
    return folder


# ---- what reaches a worker


NOT_THEIRS = {"workers", "pid_file", "user", "group", "daemon", "control_socket", "metrics_bind"}
"""Options that are for the supervisor alone."""
TWICE = {"ssl_keyfile_password_file"}
"""Says what another option says too, and only one of them may be taken."""
WHERE = {"bind", "host", "port", "uds", "uds_mode", "fd"}
"""Only one way to say where to listen may be taken."""
SPECIAL = {
    "loop": "asyncio",
    "log_level": "debug",
    "access_log_format": "json",
    "extra_headers": "X-One: 1",
    "log_config": "log.json",
    "ssl_certfile": "own.pem",
    "ssl_keyfile": "own.key",
    "ssl_keyfile_password": "open sesame",
    "ssl_ca_certs": "authority.pem",
    "ssl_ciphers": "ECDHE+CHACHA20",
    "lifespan": "on",
    "interface": "asgi",
    "umask": "0o027",
    "port": "0",
    "low_water_bytes": "3",
}


def other_value(flag: ServerFlag) -> str:
    """A text for a value that is not the default."""
    if flag.name in SPECIAL:
        return SPECIAL[flag.name]
    if flag.choices:
        return next(choice for choice in flag.choices if choice != flag.default)
    if flag.is_list:
        return "10.0.0.0/8"
    return "/other" if flag.unit == "TEXT" else str(int(flag.default or 0) + 3)


def given(flag: ServerFlag) -> list[str]:
    """The arguments that set this option to another value."""
    if flag.is_switch:
        return [f"--no-{flag.key}" if flag.default else flag.flag]
    return [flag.flag, other_value(flag)]


@pytest.fixture
def files(looking: Path) -> None:
    """The files that options name."""
    authority = Authority(looking, "authority")
    issued = authority.issue(passphrase=b"open sesame")
    issued.certfile.rename(looking / "own.pem")
    issued.keyfile.rename(looking / "own.key")
    (looking / "log.json").write_text('{"version": 1, "disable_existing_loggers": false}')


@pytest.mark.usefixtures("files")
def test_every_option_reaches_every_worker(looking: Path) -> None:
    flags = [flag for flag in server_flags().values() if flag.name not in NOT_THEIRS | WHERE | TWICE]
    with supervised(looking, "main:app", *TWO, *(arg for flag in flags for arg in given(flag))):
        until(lambda: len(list(looking.glob("options-*.json"))) == 2, "both workers tell their options")
        for report in looking.glob("options-*.json"):
            options = msgspec.json.decode(report.read_bytes(), type=ServerOptions)
            for flag in flags:
                value = getattr(getattr(options, flag.group), flag.name)
                assert value == (not flag.default if flag.is_switch else flag.read(other_value(flag))), flag.name
                assert value != flag.default, flag.name


def test_a_worker_sees_the_commands_arguments_and_nothing_that_is_not_its_business(looking: Path) -> None:
    environment = {"NOTIFY_SOCKET": str(looking / "absent"), "WATCHDOG_USEC": "60000000", "OURS": "kept"}
    with supervised(looking, "main:app", *TWO, environment=environment) as pagi:
        arguments, folder, descriptors = json.loads(pagi.ask())
        assert arguments[1:3] == ["run", "main:app"]
        assert folder == str(looking)
        assert len(descriptors) < 20
        seen = json.loads(pagi.ask("/environment"))
        assert seen["OURS"] == "kept"
        assert [name for name in seen if name.startswith(("PAGI_", "NOTIFY", "WATCHDOG", "LISTEN"))] == []


# ---- what it holds


def test_the_supervisor_imports_neither_the_framework_nor_a_loop() -> None:
    report = "import json; print(json.dumps(sorted(sys.modules)))"
    program = programs.SUPERVISOR.rpartition("\n")[0] + f"\n{report}"
    command = programs.supervisor_program()
    command[-1] = command[-1].rpartition("\n")[0] + f"\n{report}"
    modules = set(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))
    assert "pagi.server.process.supervisor" in modules
    assert program.endswith(report)
    assert modules.isdisjoint(
        {"asyncio", "anyio", "uvloop", "trio", "h11", "h2", "pagi.application", "pagi.server.server", "pagi.messages"}
    )


def test_the_supervisor_is_small(folder: Path) -> None:
    with supervised(folder, "main:app", *TWO) as pagi:
        supervisor = psutil.Process(pagi.process.pid).memory_info().rss / 2**20
        worker = psutil.Process(next(iter(pagi.workers()))).memory_info().rss / 2**20
        print(f"\nsupervisor {supervisor:.1f} MiB, worker {worker:.1f} MiB")
        assert supervisor < 25
        assert supervisor < worker * 0.75


# ---- pid file


def test_a_pid_file_is_held_while_it_runs_and_gone_afterwards(folder: Path) -> None:
    with supervised(folder, "main:app", *TWO, "--pid-file", "pid") as pagi:
        assert (folder / "pid").read_text() == f"{pagi.process.pid}\n"
        again = subprocess.run(
            [sys.executable, "-m", "pagi", "run", "main:app", "--port", "0", "--pid-file", "pid"],
            cwd=folder,
            capture_output=True,
            text=True,
        )
        assert again.returncode == 3
        assert f"process {pagi.process.pid} runs and holds the pid file pid" in again.stderr
        assert pagi.end() == 0
    assert not (folder / "pid").exists()


def test_a_failed_start_leaves_no_pid_file_and_no_socket_file(folder: Path) -> None:
    (folder / "main.py").write_text("1 / 0\n")
    with supervised(folder, "main:app", *TWO, "--pid-file", "pid", "--bind", "unix:s", listens=False) as pagi:
        assert pagi.exit_code() == 3
    assert sorted(path.name for path in folder.iterdir() if path.name != "__pycache__") == ["main.py"]


# ---- rights


@AS_ROOT
def test_the_group_changes_before_the_application_is_imported_and_after_the_sockets_are_bound(looking: Path) -> None:
    """The user stays root here, as others may not be allowed to run this Python."""
    with supervised(looking, "main:app", *TWO, "--group", "54322", "--umask", "027", "--pid-file", "pid") as pagi:
        imported_by, users, groups, supplementary, mask = json.loads(pagi.ask("/rights"))
        assert imported_by == groups == [54322] * 3
        assert users == [0] * 3
        assert supplementary == [54322]
        assert mask == 0o027
        assert psutil.Process(pagi.process.pid).gids().real == 54322
        assert (folder_mode := stat.S_IMODE((looking / "pid").stat().st_mode)) == 0o640, oct(folder_mode)


@pytest.fixture
def public() -> Iterator[Path]:
    """The same as `looking`, where the user `nobody` may read and write; pytest's own folders are closed to others."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "project")
        folder.mkdir()
        (folder / "main.py").write_text(LOOKS)
        os.chmod(name, 0o755)
        os.chown(folder, pwd.getpwnam("nobody").pw_uid, -1)
        yield folder


def _python_for_nobody() -> str | None:
    """A Python of this version that others may run too: often root's own lies in a folder that is closed to them."""
    if os.geteuid() != 0:
        return None
    for python in (sys.executable, f"/usr/bin/python{sys.version_info.major}.{sys.version_info.minor}"):
        with suppress(OSError):
            if (
                subprocess.run([python, "-c", "import pagi"], user="nobody", env=FOUND_BY_PATH, capture_output=True, cwd="/").returncode
                == 0
            ):
                return python
    return None


PYTHON_FOR_NOBODY = _python_for_nobody()


@pytest.mark.skipif(PYTHON_FOR_NOBODY is None, reason="we are not root, or nobody may not run this Python")
def test_the_user_changes_for_good(public: Path) -> None:
    with supervised(public, "main:app", *TWO, "--user", "nobody", python=PYTHON_FOR_NOBODY, environment=FOUND_BY_PATH) as pagi:
        imported_by, users, *_ = json.loads(pagi.ask("/rights"))
        nobody = pwd.getpwnam("nobody")
        assert users == [nobody.pw_uid] * 3
        assert imported_by == [nobody.pw_gid] * 3


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--user", "no-such-user"], "there is no user 'no-such-user'"),
        (["--group", "no-such-group"], "there is no group 'no-such-group'"),
        (["--pid-file", "absent/pid"], "the pid file absent/pid cannot be written: No such file or directory"),
    ],
)
def test_what_the_system_refuses_is_exit_3(args: list[str], said: str, folder: Path) -> None:
    with supervised(folder, "main:app", *TWO, *args, "--bind", "unix:s", listens=False) as pagi:
        assert pagi.exit_code() == 3
    assert f"Error: {said}" in pagi.output
    assert not (folder / "s").exists()


# ---- daemon


def test_a_daemon_serves_once_its_caller_has_ended_with_0(folder: Path) -> None:
    with supervised(folder, "main:app", *TWO, "--daemon", "--pid-file", "pid") as pagi:
        assert pagi.exit_code() == 0
        pid = int((folder / "pid").read_text())
        try:
            assert pid != pagi.process.pid
            assert os.getsid(pid) not in (pid, pagi.process.pid)
            assert pagi.ask().startswith("one")
            os.kill(pid, signal.SIGHUP)
            pagi.until(lambda: "rolled: 2 workers" in pagi.output, "the workers are replaced")
        finally:
            os.kill(pid, signal.SIGTERM)
        until(lambda: not psutil.pid_exists(pid), "the daemon ends")
    assert pagi.output.count("lifespan ended") == 4


@pytest.mark.parametrize(("text", "code", "said"), [("1 / 0\n", 3, "ZeroDivisionError"), ("x = 1\n", 2, "main has no attribute 'app'")])
def test_a_daemon_that_cannot_start_says_why_and_its_caller_ends_so(text: str, code: int, said: str, folder: Path) -> None:
    (folder / "main.py").write_text(text)
    with supervised(folder, "main:app", "--daemon", listens=False) as pagi:
        assert pagi.exit_code() == code
        assert said in pagi.output


# ---- systemd


def test_systemd_is_told_of_every_turn(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(folder / "notify"))
        manager.settimeout(PATIENCE_SECONDS)
        told = {"NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": "400000"}
        with supervised(folder, "main:app", *TWO, "--pid-file", "pid", environment=told) as pagi:
            assert _heard(manager, "READY=1")
            assert _heard(manager, "WATCHDOG=1")
            assert _heard(manager, "WATCHDOG=1")
            pagi.send(signal.SIGHUP)
            assert _heard(manager, "RELOADING=1")
            assert _heard(manager, "READY=1")
            pagi.send(signal.SIGUSR2)
            word = _heard(manager, "MAINPID=")
            assert pagi.exit_code() == 0
            assert word == f"MAINPID={(folder / 'pid').read_text().strip()}"
            assert _heard(manager, "WATCHDOG=1")
            os.kill(int((folder / "pid").read_text()), signal.SIGTERM)
            assert _heard(manager, "STOPPING=1")


def test_the_first_that_systemd_hears_is_that_it_serves(folder: Path) -> None:
    """However long the start takes: a word at each turn of the watchdog would meanwhile fill a socket that nobody reads."""
    (folder / "main.py").write_text(f"import time\ntime.sleep(1.5)\n{APP}")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(folder / "notify"))
        manager.settimeout(PATIENCE_SECONDS)
        told = {"NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": "100000"}
        with supervised(folder, "main:app", *TWO, environment=told):
            assert manager.recv(4096) == b"READY=1"
            assert manager.recv(4096) == b"WATCHDOG=1"


def test_systemd_is_told_of_one_process_too(looking: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(looking / "notify"))
        manager.settimeout(PATIENCE_SECONDS)
        told = {"NOTIFY_SOCKET": str(looking / "notify"), "WATCHDOG_USEC": "400000"}
        with supervised(looking, "main:app", environment=told) as pagi:
            assert _heard(manager, "READY=1")
            assert _heard(manager, "WATCHDOG=1")
            assert "NOTIFY_SOCKET" not in json.loads(pagi.ask("/environment"))
            pagi.send(signal.SIGTERM)
            assert _heard(manager, "STOPPING=1")
            assert pagi.exit_code() == 0


def _heard(manager: socket.socket, word: str) -> str:
    """Waits for this word, and passes over others."""
    while True:
        text = manager.recv(4096).decode()
        if text.startswith(word):
            return text


# ---- terminals


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_terminal_that_hangs_up_ends_it(workers: str, folder: Path) -> None:
    command = [sys.executable, "-m", "pagi", "run", "main:app", "--port", "0", "--workers", workers]
    master, slave = pty.openpty()
    try:
        process = subprocess.Popen(command, cwd=folder, stdin=slave, stdout=slave, stderr=slave, start_new_session=True, preexec_fn=_own)
        os.close(slave)
        said = b""
        while b"listening on" not in said:
            said += os.read(master, 4096)
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children()]
    finally:
        os.close(master)
    try:
        assert process.wait(PATIENCE_SECONDS) == 0
        until(lambda: not any(map(is_alive, family)), "nobody is left")
    finally:
        for each in filter(is_alive, family):
            each.kill()


def _own() -> None:
    """Makes the terminal that of the new session."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


# ---- from code


def test_serve_says_that_workers_need_the_command() -> None:
    import pagi
    from pagi.http.errors import ConfigError

    async def app(scope: Any, receive: Any, send: Any) -> None: ...

    with pytest.raises(ConfigError, match="pagi run main:app --workers 4"):
        pagi.serve(app, workers=4)
    with pytest.raises(ConfigError, match="pid_file, user, group and daemon"):
        pagi.serve(app, pid_file="pid")


def test_one_process_has_its_umask_as_well(looking: Path) -> None:
    with supervised(looking, "main:app", "--umask", "0o077") as pagi:
        assert pagi.workers() == set()
        assert json.loads(pagi.ask("/rights"))[-1] == 0o077
