"""The servers that compete, and how each is started. One worker, no access log, no lifespan work, for all."""

import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec

import msgspec

REFERENCE = "uvicorn"
"""Every ratio is this one's CPU time over the contestant's: bare ASGI on uvicorn with httptools and uvloop."""

ON_REQUEST = ("pagi-bare",)
"""Contestants that run only when named: this one shows which part of our cost is the server's, which the framework's."""

KEEP_ALIVE = "300"  # seconds; idle connections are measured, not closed


class Contestant(msgspec.Struct, frozen=True):
    """A server with one of the applications of `apps/`."""

    name: str
    title: str
    modules: tuple[str, ...]
    command: Callable[[str, int], list[str]]
    """From a workload's application and a port to the arguments of the interpreter."""

    @property
    def is_ours(self) -> bool:
        return self.name.startswith("pagi")

    def missing_modules(self) -> list[str]:
        return [module for module in self.modules if find_spec(module) is None]


def pagi_options(port: int) -> list[str]:
    return ["--port", str(port), "--no-access-log", "--log-level", "warning", "--timeout-keep-alive", KEEP_ALIVE]


def pagi(loop: str) -> Callable[[str, int], list[str]]:
    return lambda _app, port: ["-m", "pagi", "run", "benchmarks.apps.pagi_app:app", "--loop", loop, *pagi_options(port)]


def pagi_bare(app: str, port: int) -> list[str]:
    return [*("-m", "pagi", "run", f"benchmarks.apps.bare_asgi:{app}", "--loop", "uvloop", "--lifespan", "off"), *pagi_options(port)]


def uvicorn(http: str, loop: str) -> Callable[[str, int], list[str]]:
    return lambda app, port: [
        *("-m", "uvicorn", f"benchmarks.apps.bare_asgi:{app}", "--http", http, "--loop", loop, "--port", str(port), "--lifespan", "off"),
        *("--no-access-log", "--log-level", "warning", "--timeout-keep-alive", KEEP_ALIVE, "--timeout-graceful-shutdown", "1"),
    ]


def hypercorn(worker: str) -> Callable[[str, int], list[str]]:
    return lambda app, port: [
        *("-m", "hypercorn", f"benchmarks.apps.bare_asgi:{app}", "--worker-class", worker, "--bind", f"127.0.0.1:{port}", "--workers", "1"),
        *("--log-level", "ERROR", "--keep-alive", KEEP_ALIVE, "--graceful-timeout", "1"),
    ]


def granian(interface: str, module: str) -> Callable[[str, int], list[str]]:
    return lambda app, port: [
        *("-m", "granian", f"benchmarks.apps.{module}:{app}", "--interface", interface, "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", "1", "--no-access-log", "--log-level", "warning", "--loop", "uvloop", "--backlog", "2048", "--backpressure", "4096"),
    ]


CONTESTANTS: Mapping[str, Contestant] = {
    contestant.name: contestant
    for contestant in (
        Contestant("pagi", "pagi on uvloop", ("pagi", "uvloop"), pagi("uvloop")),
        Contestant("pagi-asyncio", "pagi on asyncio", ("pagi",), pagi("asyncio")),
        Contestant("pagi-trio", "pagi on trio", ("pagi", "trio"), pagi("trio")),
        Contestant("pagi-bare", "bare ASGI on pagi, uvloop", ("pagi", "uvloop"), pagi_bare),
        Contestant(REFERENCE, "uvicorn httptools uvloop", ("uvicorn", "httptools", "uvloop"), uvicorn("httptools", "uvloop")),
        Contestant("uvicorn-asyncio", "uvicorn httptools asyncio", ("uvicorn", "httptools"), uvicorn("httptools", "asyncio")),
        Contestant("uvicorn-h11", "uvicorn h11 uvloop", ("uvicorn", "uvloop"), uvicorn("h11", "uvloop")),
        Contestant("hypercorn", "hypercorn asyncio", ("hypercorn",), hypercorn("asyncio")),
        Contestant("granian-asgi", "granian ASGI", ("granian", "uvloop"), granian("asginl", "bare_asgi")),
        Contestant("granian-rsgi", "granian RSGI", ("granian", "uvloop"), granian("rsgi", "granian_rsgi")),
    )
}


def interpreter_command(contestant: Contestant, app: str, port: int) -> list[str]:
    """The whole command, on the interpreter that runs the benchmark."""
    return [sys.executable, *contestant.command(app, port)]
