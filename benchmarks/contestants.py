"""The servers and frameworks that compete, and how each is started. One worker and no access log, for all."""

import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec

import msgspec

REFERENCE = "uvicorn"
"""Every ratio is this one's CPU time over the contestant's: bare ASGI on uvicorn with httptools and uvloop."""

OURS = "pagi"
"""Who has to be ahead of every peer."""

BASELINE = "pagi-baseline"
"""Another checkout of pagi, which serves its own applications."""

ON_REQUEST = ("pagi-bare", BASELINE)
"""Contestants that run only when asked for: the first shows which part of our cost is the server's, which the framework's."""

FRAMEWORK_WORK = ("params", "validate", "dependencies", "middleware", "routes")
"""Workloads that are about a framework. Servers with bare functions stay out of them, the reference apart."""

Serves = Callable[[str], bool]
"""Whether a contestant takes part in the workload of that name."""

UVICORN = ("uvicorn", "httptools", "uvloop")
GRANIAN = ("granian", "uvloop")

KEEP_ALIVE = "300"  # seconds; idle connections are measured, not closed


class Contestant(msgspec.Struct, frozen=True):
    """A server with one of the applications of `apps/`."""

    name: str
    title: str
    modules: tuple[str, ...]
    command: Callable[[str, int], list[str]]
    """From a workload's application and a port to the arguments of the interpreter."""
    serves: Serves

    @property
    def is_ours(self) -> bool:
        return self.name.startswith("pagi")

    def missing_modules(self) -> list[str]:
        return [module for module in self.modules if find_spec(module) is None]


def everything(workload: str) -> bool:
    return True


def server_work(workload: str) -> bool:
    return workload not in FRAMEWORK_WORK


def only(*workloads: str) -> Serves:
    return lambda workload: workload in workloads


def pagi_options(port: int) -> list[str]:
    return ["--port", str(port), "--no-access-log", "--log-level", "warning", "--timeout-keep-alive", KEEP_ALIVE]


def our_module(app: str) -> str:
    """The module below `apps` in which pagi has a workload's application."""
    return "pagi_framework" if app in FRAMEWORK_WORK else "pagi_app"


def pagi(loop: str) -> Callable[[str, int], list[str]]:
    return lambda app, port: ["-m", "pagi", "run", f"benchmarks.apps.{our_module(app)}:app", "--loop", loop, *pagi_options(port)]


def pagi_bare(app: str, port: int) -> list[str]:
    return [*("-m", "pagi", "run", f"benchmarks.apps.bare_asgi:{app}", "--loop", "uvloop", "--lifespan", "off"), *pagi_options(port)]


def uvicorn(http: str, loop: str, module: str = "bare_asgi", lifespan: str = "off") -> Callable[[str, int], list[str]]:
    return lambda app, port: [
        *("-m", "uvicorn", f"benchmarks.apps.{module}:{app}", "--http", http, "--loop", loop, "--port", str(port), "--lifespan", lifespan),
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


def framework(name: str, title: str, *needs: str, lacks: tuple[str, ...] = ()) -> tuple[Contestant, Contestant]:
    """A framework with the applications of `apps/{name}_apps.py`, on both servers."""
    serves = only(*({"json", *FRAMEWORK_WORK} - {*lacks}))
    uvicorn_command, granian_command = uvicorn("httptools", "uvloop", f"{name}_apps", "on"), granian("asgi", f"{name}_apps")
    return (
        Contestant(name, f"{title} on uvicorn", (name, *needs, *UVICORN), uvicorn_command, serves),
        Contestant(f"{name}-granian", f"{title} on granian", (name, *needs, *GRANIAN), granian_command, serves),
    )


CONTESTANTS: Mapping[str, Contestant] = {
    contestant.name: contestant
    for contestant in (
        Contestant(OURS, "pagi on uvloop", ("pagi", "uvloop"), pagi("uvloop"), everything),
        Contestant("pagi-asyncio", "pagi on asyncio", ("pagi",), pagi("asyncio"), everything),
        Contestant("pagi-trio", "pagi on trio", ("pagi", "trio"), pagi("trio"), everything),
        Contestant("pagi-bare", "bare ASGI on pagi, uvloop", ("pagi", "uvloop"), pagi_bare, everything),
        Contestant(BASELINE, "pagi (baseline) on uvloop", ("pagi", "uvloop"), pagi("uvloop"), everything),
        Contestant(REFERENCE, "uvicorn httptools uvloop", UVICORN, uvicorn("httptools", "uvloop"), everything),
        # How a loop reads and writes a megabyte is most of what these two cost: there, and only there, the loops are compared.
        Contestant("uvicorn-asyncio", "uvicorn httptools asyncio", UVICORN, uvicorn("httptools", "asyncio"), only("upload", "file")),
        Contestant("uvicorn-h11", "uvicorn h11 uvloop", ("uvicorn", "uvloop"), uvicorn("h11", "uvloop"), server_work),
        Contestant("hypercorn", "hypercorn asyncio", ("hypercorn",), hypercorn("asyncio"), server_work),
        Contestant("granian-asgi", "granian ASGI", GRANIAN, granian("asginl", "bare_asgi"), server_work),
        Contestant("granian-rsgi", "granian RSGI", GRANIAN, granian("rsgi", "granian_rsgi"), server_work),
        *framework("starlette", "Starlette", lacks=("dependencies",)),
        *framework("fastapi", "FastAPI", "pydantic"),
        *framework("litestar", "Litestar"),
        *framework("blacksheep", "BlackSheep", "pydantic"),
    )
}


def interpreter_command(contestant: Contestant, app: str, port: int) -> list[str]:
    """The whole command, on the interpreter that runs the benchmark."""
    return [sys.executable, *contestant.command(app, port)]
