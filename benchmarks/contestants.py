"""The servers and frameworks that compete, and how each is started. No access log, and one worker where workers are not the question."""

import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec

import msgspec

from benchmarks.service import Service

REFERENCE = "uvicorn"
"""Every ratio is this one's CPU time over the contestant's: bare ASGI on uvicorn with httptools and uvloop."""

HYPERCORN = "hypercorn"
"""The reference over HTTP/2."""

OURS = "pagi"
"""Who has to be ahead of every peer."""

BASELINE = "pagi-baseline"
"""Another checkout of pagi, which serves its own applications."""

FRAMEWORK_WORK = ("params", "validate", "dependencies", "middleware", "routes")
"""Workloads that are about a framework. Servers with bare functions stay out of them, the reference apart."""

HTTP2_WORK = ("h2-json", "h2-json-tls")
"""Workloads over HTTP/2."""

WORKERS_WORK = "workers"
"""The one that compares numbers of workers."""

LARGE_FILE_WORK = "file-100mb"

CROWD_WORK = "idle-sse-10000"
"""The one with more connections than some contestants are set up for."""

Serves = Callable[[str], bool]
"""Whether a contestant takes part in the workload of that name."""

UVICORN = ("uvicorn", "httptools", "uvloop")
GRANIAN = ("granian", "uvloop")

KEEP_ALIVE = "300"  # seconds; idle connections are measured, not closed
MOST_CONNECTIONS = 20_000


def everything(workload: str) -> bool:
    return True


def nothing(workload: str) -> bool:
    return False


class Contestant(msgspec.Struct, frozen=True):
    """A server with one of the applications of `apps/`."""

    name: str
    title: str
    modules: tuple[str, ...]
    command: Callable[[Service], list[str]]
    """The arguments of the interpreter."""
    serves: Serves
    unasked: Serves = everything
    """Whether it takes part also if nobody named it."""

    @property
    def is_ours(self) -> bool:
        return self.name.startswith("pagi")

    def missing_modules(self) -> list[str]:
        return [module for module in self.modules if find_spec(module) is None]


def only(*workloads: str) -> Serves:
    return lambda workload: workload in workloads


def beside(*workloads: str) -> Serves:
    """Everything but these."""
    return lambda workload: workload not in workloads


def pagi_options(service: Service) -> list[str]:
    """The same for every application of ours. HTTP/2 is spoken unless told otherwise."""
    options = ["--port", str(service.port), "--no-access-log", "--log-level", "warning", "--timeout-keep-alive", KEEP_ALIVE]
    options += ["--limit-connections", str(MOST_CONNECTIONS)]
    if service.key_pair is not None:
        options += ["--ssl-certfile", str(service.key_pair.certificate), "--ssl-keyfile", str(service.key_pair.key)]
    return options


def our_module(app: str) -> str:
    """The module below `apps` in which pagi has a workload's application."""
    return "pagi_framework" if app in FRAMEWORK_WORK else "pagi_app"


def pagi(loop: str, *options: str) -> Callable[[Service], list[str]]:
    return lambda service: [
        *("-m", "pagi", "run", f"benchmarks.apps.{our_module(service.app)}:app", "--loop", loop),
        *(*options, *pagi_options(service)),
    ]


def pagi_bare(service: Service) -> list[str]:
    return [
        *("-m", "pagi", "run", f"benchmarks.apps.bare_asgi:{service.app}", "--loop", "uvloop", "--lifespan", "off"),
        *pagi_options(service),
    ]


def uvicorn(http: str, loop: str, module: str = "bare_asgi", lifespan: str = "off") -> Callable[[Service], list[str]]:
    def command(service: Service) -> list[str]:
        options = ["-m", "uvicorn", f"benchmarks.apps.{module}:{service.app}", "--port", str(service.port)]
        options += ["--http", http, "--loop", loop, "--lifespan", lifespan]
        options += ["--no-access-log", "--log-level", "warning", "--timeout-keep-alive", KEEP_ALIVE, "--timeout-graceful-shutdown", "1"]
        if service.http2:
            options.append("--http2")
        if service.key_pair is not None:
            options += ["--ssl-certfile", str(service.key_pair.certificate), "--ssl-keyfile", str(service.key_pair.key)]
        return options

    return command


def hypercorn(worker: str) -> Callable[[Service], list[str]]:
    def command(service: Service) -> list[str]:
        options = ["-m", "hypercorn", f"benchmarks.apps.bare_asgi:{service.app}", "--bind", f"127.0.0.1:{service.port}"]
        options += ["--config", "benchmarks/apps/hypercorn.toml", "--worker-class", worker, "--workers", "1"]
        options += ["--log-level", "ERROR", "--keep-alive", KEEP_ALIVE, "--graceful-timeout", "1"]
        if service.key_pair is not None:
            options += ["--certfile", str(service.key_pair.certificate), "--keyfile", str(service.key_pair.key)]
        return options

    return command


def granian(interface: str, module: str) -> Callable[[Service], list[str]]:
    def command(service: Service) -> list[str]:
        options = ["-m", "granian", f"benchmarks.apps.{module}:{service.app}", "--interface", interface]
        options += ["--host", "127.0.0.1", "--port", str(service.port), "--workers", "1", "--no-access-log", "--log-level", "warning"]
        options += ["--loop", "uvloop", "--backlog", "2048", "--backpressure", "4096"]
        if service.http2:
            options += ["--http", "2"]
        if service.key_pair is not None:
            options += ["--ssl-certificate", str(service.key_pair.certificate), "--ssl-keyfile", str(service.key_pair.key)]
        return options

    return command


def framework(name: str, title: str, *needs: str, lacks: tuple[str, ...] = (), has: tuple[str, ...] = ()) -> tuple[Contestant, Contestant]:
    """A framework with the applications of `apps/{name}_apps.py`, on both servers."""
    serves = only(*({"json", *FRAMEWORK_WORK, *has} - {*lacks}))
    uvicorn_command, granian_command = uvicorn("httptools", "uvloop", f"{name}_apps", "on"), granian("asgi", f"{name}_apps")
    return (
        Contestant(name, f"{title} on uvicorn", (name, *needs, *UVICORN), uvicorn_command, serves),
        Contestant(f"{name}-granian", f"{title} on granian", (name, *needs, *GRANIAN), granian_command, serves),
    )


APP_WORK = beside(WORKERS_WORK)
SERVER_WORK = beside(*FRAMEWORK_WORK, *HTTP2_WORK, WORKERS_WORK, CROWD_WORK)
BOTH_HTTP_WORK = beside(*FRAMEWORK_WORK, WORKERS_WORK, CROWD_WORK)

CONTESTANTS: Mapping[str, Contestant] = {
    contestant.name: contestant
    for contestant in (
        Contestant(OURS, "pagi on uvloop", ("pagi", "uvloop"), pagi("uvloop"), everything),
        Contestant("pagi-asyncio", "pagi on asyncio", ("pagi",), pagi("asyncio"), APP_WORK),
        Contestant("pagi-trio", "pagi on trio", ("pagi", "trio"), pagi("trio"), APP_WORK),
        # Shows which part of our cost is the server's, which the framework's.
        Contestant(
            "pagi-bare",
            "bare ASGI on pagi, uvloop",
            ("pagi", "uvloop"),
            pagi_bare,
            APP_WORK,
            unasked=only(*HTTP2_WORK, CROWD_WORK, LARGE_FILE_WORK),
        ),
        Contestant("pagi-2-workers", "pagi on uvloop, 2 workers", ("pagi", "uvloop"), pagi("uvloop", "--workers", "2"), only(WORKERS_WORK)),
        Contestant("pagi-4-workers", "pagi on uvloop, 4 workers", ("pagi", "uvloop"), pagi("uvloop", "--workers", "4"), only(WORKERS_WORK)),
        Contestant(BASELINE, "pagi (baseline) on uvloop", ("pagi", "uvloop"), pagi("uvloop"), everything, unasked=nothing),
        Contestant(REFERENCE, "uvicorn httptools uvloop", UVICORN, uvicorn("httptools", "uvloop"), beside(*HTTP2_WORK, WORKERS_WORK)),
        # How a loop reads and writes a megabyte is most of what these two cost: there, and only there, the loops are compared.
        Contestant("uvicorn-asyncio", "uvicorn httptools asyncio", UVICORN, uvicorn("httptools", "asyncio"), only("upload", "file")),
        Contestant("uvicorn-h11", "uvicorn h11 uvloop", ("uvicorn", "uvloop"), uvicorn("h11", "uvloop"), SERVER_WORK),
        Contestant("uvicorn-zttp", "uvicorn zttp uvloop", ("uvicorn", "zttp", "uvloop"), uvicorn("zttp", "uvloop"), only(*HTTP2_WORK)),
        Contestant(HYPERCORN, "hypercorn asyncio", ("hypercorn",), hypercorn("asyncio"), BOTH_HTTP_WORK),
        Contestant("granian-asgi", "granian ASGI", GRANIAN, granian("asginl", "bare_asgi"), BOTH_HTTP_WORK),
        Contestant("granian-rsgi", "granian RSGI", GRANIAN, granian("rsgi", "granian_rsgi"), BOTH_HTTP_WORK),
        *framework("starlette", "Starlette", lacks=("dependencies",), has=("file", LARGE_FILE_WORK)),
        *framework("fastapi", "FastAPI", "pydantic"),
        *framework("litestar", "Litestar"),
        *framework("blacksheep", "BlackSheep", "pydantic"),
        Contestant(
            "sse-starlette",
            "sse-starlette on uvicorn",
            ("sse_starlette", *UVICORN),
            uvicorn("httptools", "uvloop", "sse_starlette_apps", "on"),
            only("idle-sse", CROWD_WORK),
        ),
    )
}


def interpreter_command(contestant: Contestant, service: Service) -> list[str]:
    """The whole command, on the interpreter that runs the benchmark."""
    return [sys.executable, *contestant.command(service)]
