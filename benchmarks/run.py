"""Starts pagi and its peers one beside the other, loads them in turns, and prints what a request costs each of them."""

import argparse
import platform
import signal
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import FrameType

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import msgspec

from benchmarks.clients.h2load import h2load_path
from benchmarks.clients.idlers import WARM_CONNECTIONS
from benchmarks.clients.wrk import wrk_path
from benchmarks.contestants import BASELINE, CONTESTANTS, REFERENCE
from benchmarks.descriptors import raise_descriptor_limit
from benchmarks.failure import BenchmarkError
from benchmarks.pinning import Cores, choose_cores
from benchmarks.props import run_props
from benchmarks.report import Paper
from benchmarks.results import Machine, Run
from benchmarks.server_process import ROOT
from benchmarks.session import Session
from benchmarks.workloads import GROUPS, IDLES, LOADS

PACKAGES = (
    *("pagi-web", "uvloop", "uvicorn", "httptools", "h11", "hypercorn", "granian", "websockets", "trio", "msgspec"),
    *("zttp", "sse-starlette", "starlette", "fastapi", "pydantic", "litestar", "blacksheep"),
)
QUICK_CONTESTANTS = (
    *("pagi", "pagi-asyncio", "pagi-trio", "pagi-bare", "pagi-2-workers", "pagi-4-workers", REFERENCE, "uvicorn-zttp", "hypercorn"),
    *("granian-rsgi", "starlette", "sse-starlette", "blacksheep-granian"),
)
BASELINE_APP = Path("benchmarks/apps/pagi_app.py")


def parse_arguments() -> argparse.Namespace:
    """The command line, `--quick` unfolded into the options it stands for."""
    parser = argparse.ArgumentParser(prog="benchmarks/run.py", description=__doc__)
    workloads = [*LOADS, *IDLES]
    parser.add_argument(
        "--only", nargs="+", metavar="WORKLOAD", choices=[*GROUPS, *workloads], help=f"of {', '.join(workloads)}; or of {', '.join(GROUPS)}"
    )
    parser.add_argument(
        "--contestants",
        nargs="+",
        metavar="NAME",
        choices=list(CONTESTANTS),
        help=f"of {', '.join(CONTESTANTS)}",
    )
    parser.add_argument("--baseline", type=Path, metavar="DIR", help="another checkout of pagi, to run beside this one on uvloop")
    parser.add_argument("--rounds", type=int, help="turns of each contestant in each workload (3; quick: 1)")
    parser.add_argument("--seconds", type=int, help="length of a turn, whole seconds (2; quick: 1)")
    parser.add_argument("--connections", type=int, help="idle connections to weigh (1000; quick: 300)")
    parser.add_argument("--quick", action="store_true", help="a few minutes: one short round, without the peers that are never close")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every round there")
    chosen = parser.parse_args()
    chosen.rounds = chosen.rounds or (1 if chosen.quick else 3)
    chosen.seconds = chosen.seconds or (1 if chosen.quick else 2)
    chosen.connections = chosen.connections or (300 if chosen.quick else 1000)
    chosen.asked = chosen.contestants is not None
    chosen.contestants = chosen.contestants or (QUICK_CONTESTANTS if chosen.quick else [name for name in CONTESTANTS if name != BASELINE])
    wanted = {name for word in chosen.only or workloads for name in GROUPS.get(word, (word,))}
    chosen.only = [name for name in workloads if name in wanted]
    if chosen.baseline is not None:
        chosen.baseline = chosen.baseline.resolve()
        chosen.contestants = [*chosen.contestants, BASELINE]
    elif BASELINE in chosen.contestants:
        parser.error(f"{BASELINE} needs --baseline DIR")
    for name in ("rounds", "seconds", "connections"):
        if getattr(chosen, name) < 1:
            parser.error(f"--{name} must be at least 1, got {getattr(chosen, name)}")
    return chosen


def describe_machine(cores: Cores) -> Machine:
    """Processor, system, Python, and the versions of what competes."""
    versions: dict[str, str] = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "missing"
    models = [line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return Machine(
        processor=models[0] if models else platform.machine(),
        system=f"{platform.system()} {platform.release()}",
        python=f"{platform.python_implementation()} {platform.python_version()}",
        server_core=cores.server,
        load_core=cores.load,
        packages=versions,
    )


def require_modules(names: list[str]) -> None:
    """Refuses to start without a contestant that was asked for: a table with a gap looks like a table.

    Raises:
        BenchmarkError: what is missing, and what installs it.
    """
    missing = {name: modules for name in names if (modules := CONTESTANTS[name].missing_modules())}
    if missing:
        lacks = "; ".join(f"{name} needs {', '.join(modules)}" for name, modules in missing.items())
        raise BenchmarkError(f"{lacks}. Install the dependency group `bench`, or choose others with --contestants")


def require_baseline(folder: Path) -> None:
    """Refuses to start with a baseline that cannot run.

    Raises:
        BenchmarkError: there is no application in it.
    """
    if not (folder / BASELINE_APP).is_file():
        raise BenchmarkError(f"{folder} is no checkout of pagi: it lacks {BASELINE_APP}")


def end_by_signal(number: int, frame: FrameType | None) -> None:
    """SIGTERM leaves as Ctrl-C does, through every `finally` that ends a server. A running loop has its own way with SIGINT: let it."""
    signal.raise_signal(signal.SIGINT)


def run_benchmarks(chosen: argparse.Namespace) -> Run:
    """All that was asked for, each table printed as soon as it is known."""
    names: list[str] = list(chosen.contestants)
    require_modules(names)
    if chosen.baseline is not None:
        require_baseline(chosen.baseline)
    wrk_path()
    if any(LOADS[name].http2 for name in chosen.only if name in LOADS):
        h2load_path()
    raise_descriptor_limit(
        max([chosen.connections, *(IDLES[name].connections or 0 for name in chosen.only if name in IDLES)]) + WARM_CONNECTIONS
    )
    cores = choose_cores()
    paper = Paper()
    run = Run(machine=describe_machine(cores), rounds=chosen.rounds, seconds=chosen.seconds)
    paper.machine(run.machine, cores)
    with run_props() as props:
        contestants = [CONTESTANTS[name] for name in CONTESTANTS if name in names]
        session = Session(
            contestants,
            cores,
            props,
            asked=chosen.asked,
            rounds=chosen.rounds,
            seconds=chosen.seconds,
            baseline=chosen.baseline or ROOT,
        )
        for name in chosen.only:
            if name in LOADS:
                run.loads.append(session.measure_load(LOADS[name]))
                paper.load(LOADS[name], run.loads[-1])
            else:
                run.idles.append(session.measure_idle(IDLES[name], IDLES[name].connections or chosen.connections))
                paper.idle(IDLES[name], run.idles[-1], with_process=len(run.idles) == 1)
    paper.summary()
    return run


def main() -> int:
    """Exit status: 0 when everything could be measured (targets may be missed), 1 when something failed, 2 when it could not begin."""
    chosen = parse_arguments()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell without job control starts background jobs deaf to it
    signal.signal(signal.SIGTERM, end_by_signal)
    began = time.monotonic()
    try:
        run = run_benchmarks(chosen)
    except BenchmarkError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; all servers are ended", file=sys.stderr)
        return 130
    if chosen.json is not None:
        chosen.json.write_bytes(msgspec.json.format(msgspec.json.encode(run), indent=2))
    print(f"\n{time.monotonic() - began:.0f} s")
    for failure in run.failures:
        print(f"failed: {failure}", file=sys.stderr)
    return 1 if run.failures else 0


if __name__ == "__main__":
    sys.exit(main())
