"""Examples as people run them: a server in a process of its own, on a free port, with what it prints."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"

START_SECONDS = 20.0
END_SECONDS = 10.0

_ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)")


def _pagi(loop: str) -> Callable[[str, int], list[str]]:
    return lambda example, port: ["pagi", "run", f"examples/{example}/app.py", "--port", str(port), "--loop", loop]


def _uvicorn(example: str, port: int) -> list[str]:
    return ["uvicorn", "--app-dir", f"examples/{example}", "app:app", "--port", str(port), "--timeout-graceful-shutdown", "1"]


def _hypercorn(example: str, port: int) -> list[str]:
    return ["hypercorn", f"examples/{example}/app:app", "--bind", f"127.0.0.1:{port}", "--graceful-timeout", "1"]


OURS: dict[str, Callable[[str, int], list[str]]] = {f"pagi-{loop}": _pagi(loop) for loop in ("uvloop", "asyncio", "trio")}
FOREIGN: dict[str, Callable[[str, int], list[str]]] = {"uvicorn": _uvicorn, "hypercorn": _hypercorn}
EVERY = {**OURS, **FOREIGN}
"""How each server is told to serve an example: `python -m` this."""


class ExampleServer:
    """One example on one server. Entered, it answers; left, its process is gone.

    Args:
        server: a name of `EVERY`.
        example: a folder of `examples/`.
        port: 0 for one that is free.
        environment: variables beside those that are there.
    """

    def __init__(self, server: str, example: str, port: int = 0, *, environment: Mapping[str, str] | None = None) -> None:
        self.name = server
        self.is_ours = server in OURS
        self.port = port
        self.environment = dict(environment or {})
        self._command: Sequence[str] = [sys.executable, "-m", *EVERY[server](example, port)]
        self._log = tempfile.TemporaryFile("w+b")  # noqa: SIM115  # closed in stop
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Starts it and waits until it says where it listens.

        Raises:
            RuntimeError: it ended instead, or said nothing for `START_SECONDS`.
        """
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PAGI_") and name != "PORT"}
        env = {**clean, **self.environment}
        self._process = subprocess.Popen(self._command, cwd=ROOT, env=env, stdout=self._log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + START_SECONDS
        while (found := _ADDRESS.search(self.output)) is None:
            if self._process.poll() is not None or time.monotonic() > deadline:
                output = self.output
                self.stop()
                raise RuntimeError(f"{self.name} does not listen:\n{output}")
            time.sleep(0.02)
        self.port = int(found[1])
        return self

    @property
    def url(self) -> str:
        """Without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        """Without a slash at the end."""
        return f"ws://127.0.0.1:{self.port}"

    @property
    def output(self) -> str:
        """All it printed so far, logs and the application's own words."""
        return os.pread(self._log.fileno(), 1 << 24, 0).decode(errors="replace")

    def until_printed(self, text: str, seconds: float = 5.0) -> str:
        """Waits until it has printed `text`, and returns all it printed.

        Raises:
            AssertionError: it did not within `seconds`.
        """
        deadline = time.monotonic() + seconds
        while text not in self.output:
            assert time.monotonic() < deadline, f"{text!r} was not printed within {seconds} s, but:\n{self.output}"
            time.sleep(0.01)
        return self.output

    def terminate(self) -> None:
        """Asks it to end; `wait` says how it did."""
        assert self._process is not None
        self._process.terminate()

    def wait(self) -> int:
        """The exit code, once it has ended."""
        assert self._process is not None
        return self._process.wait(END_SECONDS)

    def stop(self) -> None:
        """Ends it: asked first, forced after `END_SECONDS`."""
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if not self._log.closed:
            self._log.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
