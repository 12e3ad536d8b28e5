"""A contestant as a running process: started on its core, waited for, and ended by its id."""

import os
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO

import msgspec

from benchmarks.contestants import Contestant, interpreter_command
from benchmarks.failure import ServerFailed
from benchmarks.measure import Meter, cpu_seconds, resident_bytes, session_members
from benchmarks.pinning import on_core
from benchmarks.service import Service

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 30.0
STOP_SECONDS = 1.0
LOOK_SECONDS = 0.1
RESTING_SHARE = 0.02
"""Of its time; with less than that to do, a server has started."""

OUTPUT_CHARACTERS = 2000


def free_port() -> int:
    """A port of the loopback interface that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def clean_environment() -> dict[str, str]:
    """Ours, without the variables by which servers are set: all run with what their command says."""
    prefixes, names = ("PAGI_", "UVICORN_", "GRANIAN_"), {"PORT", "WEB_CONCURRENCY"}
    return {name: value for name, value in os.environ.items() if not name.startswith(prefixes) and name not in names}


class ServerProcess:
    """One contestant serving one application. A context manager: entered it listens, left it has ended. Its port is chosen anew."""

    def __init__(self, contestant: Contestant, service: Service, *, core: int, environment: dict[str, str], folder: Path = ROOT) -> None:
        self.contestant = contestant
        self.service = service
        self.core = core
        self.environment = environment
        self.folder = folder
        """The checkout whose code it runs."""
        self.said = "(nothing)"
        self.output: IO[bytes]
        self.process: subprocess.Popen[bytes]

    def __enter__(self) -> "ServerProcess":
        self.start()
        try:
            self.wait_until_listening()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    @property
    def port(self) -> int:
        return self.service.port

    def start(self) -> None:
        """Starts the process. It may not listen yet."""
        self.service = msgspec.structs.replace(self.service, port=free_port())
        self.output = tempfile.TemporaryFile()  # noqa: SIM115 - closed by stop
        with on_core(self.core):
            self.process = subprocess.Popen(
                interpreter_command(self.contestant, self.service),
                cwd=self.folder,
                env=clean_environment() | self.environment | {"PYTHONPATH": str(self.folder)},
                stdin=subprocess.DEVNULL,
                stdout=self.output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches us alone, and we end it
            )

    def wait_until_listening(self) -> None:
        """Returns once a connection is accepted.

        Raises:
            ServerFailed: it ended, or `START_SECONDS` passed.
        """
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if (status := self.process.poll()) is not None:
                raise ServerFailed(self.contestant.name, f"ended with status {status} instead of listening", self.last_output())
            with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", self.port), timeout=1.0):
                return
            time.sleep(0.02)
        raise ServerFailed(self.contestant.name, f"did not listen within {START_SECONDS:g} s", self.last_output())

    def wait_until_resting(self) -> None:
        """Returns once its processes do next to nothing: one that listens may still be starting its workers.

        Raises:
            ServerFailed: they were still busy after `START_SECONDS`.
        """
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            members = session_members(self.process.pid)
            with suppress(OSError):  # one of them ended meanwhile
                before = cpu_seconds(members)
                time.sleep(LOOK_SECONDS)
                if members == session_members(self.process.pid) and cpu_seconds(members) - before < RESTING_SHARE * LOOK_SECONDS:
                    return
        raise ServerFailed(self.contestant.name, f"was busy without being asked for {START_SECONDS:g} s", self.last_output())

    def last_output(self) -> str:
        """The end of what the process has printed; after `stop`, of all that it ever printed."""
        if not self.output.closed:
            self.output.seek(0)
            self.said = self.output.read().decode(errors="replace")[-OUTPUT_CHARACTERS:].strip() or "(nothing)"
        return self.said

    def demand_alive(self) -> None:
        """Raises ServerFailed once the process has ended, even if a worker of it still answers."""
        if (status := self.process.poll()) is not None:
            raise ServerFailed(self.contestant.name, f"ended with status {status} under load", self.last_output())

    def meter(self) -> Meter:
        return Meter(self.process.pid, session_members(self.process.pid))

    def resident_bytes(self) -> int:
        return resident_bytes(session_members(self.process.pid))

    def stop(self) -> None:
        """Asks the process to end, waits `STOP_SECONDS`, and kills what is left of it and its workers."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_SECONDS)
        for pid in session_members(self.process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        self.last_output()
        self.output.close()
