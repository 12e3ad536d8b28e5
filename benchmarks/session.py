"""The course of a run: start the contestants of a workload, check them, let them take turns, end them."""

from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import uvloop

from benchmarks.answers import FILE_BYTES
from benchmarks.apps.payloads import FILE_VARIABLE
from benchmarks.clients.idlers import weigh_idlers
from benchmarks.contestants import BASELINE, OURS, Contestant, our_module
from benchmarks.failure import BenchmarkError, NotServed, ServerFailed
from benchmarks.pinning import Cores, on_core
from benchmarks.results import IdleCell, IdleResult, LoadCell, LoadResult
from benchmarks.server_process import ROOT, ServerProcess
from benchmarks.workloads import Idle, Load

FAILURES = (BenchmarkError, OSError, EOFError)
"""What a server does to a round by dying or hanging up: it is written into its cell, and the others go on."""


@contextmanager
def served_file_environment() -> Generator[dict[str, str]]:
    """Makes the file that the file workload serves, for as long as the run lasts."""
    with TemporaryDirectory(prefix="pagi-bench-") as folder:
        path = Path(folder) / "megabyte.bin"
        path.write_bytes(FILE_BYTES)
        yield {FILE_VARIABLE: str(path)}


@contextmanager
def failures_into(cell: LoadCell | IdleCell, server: ServerProcess) -> Generator[None]:
    """Writes into `cell` what goes wrong inside, with the server's last words, and goes on after it."""
    try:
        yield
    except FAILURES as error:
        cell.failure = str(error) or repr(error)  # some errors of the system have no words
        if not isinstance(error, ServerFailed):
            cell.failure += f"\nthe server said: {server.last_output()}"


class Session:
    """One run over any workloads. The thread that uses it should sit on the load core."""

    def __init__(
        self,
        contestants: Sequence[Contestant],
        cores: Cores,
        environment: dict[str, str],
        *,
        rounds: int,
        seconds: int,
        baseline: Path = ROOT,
    ) -> None:
        self.contestants = contestants
        self.cores = cores
        self.environment = environment
        self.rounds = rounds
        self.seconds = seconds
        self.baseline = baseline

    def server(self, contestant: Contestant, app: str) -> ServerProcess:
        folder = self.baseline if contestant.name == BASELINE else ROOT
        return ServerProcess(contestant, app, core=self.cores.server, environment=self.environment, folder=folder)

    def takes_part(self, contestant: Contestant, workload: Load | Idle) -> bool:
        """The baseline stays out of what was not measured yet when it was made."""
        application = self.baseline / "benchmarks" / "apps" / f"{our_module(workload.app)}.py"
        return contestant.serves(workload.name) and (contestant.name != BASELINE or application.is_file())

    def measure_load(self, load: Load) -> LoadResult:
        """Every contestant once a round, each round in another order, so that a slow minute of the machine hurts all alike."""
        runners = [one for one in self.contestants if self.takes_part(one, load)]
        cells = {contestant.name: LoadCell() for contestant in runners}
        with ExitStack() as stack:
            servers: list[ServerProcess] = []
            for contestant in runners:
                server = self.server(contestant, load.app)
                with failures_into(cells[contestant.name], server):
                    stack.enter_context(server)
                    load.check(server.port)
                    servers.append(server)
            with on_core(self.cores.load):
                for turn in range(self.rounds):
                    first = turn % max(1, len(servers))
                    for server in servers[first:] + servers[:first]:
                        self.measure_round(load, server, cells[server.contestant.name])
        return LoadResult(workload=load.name, cells=cells)

    def measure_round(self, load: Load, server: ServerProcess, cell: LoadCell) -> None:
        """One round; what fails once is not asked again."""
        if cell.failure is not None:
            return
        with failures_into(cell, server):
            sample = load.run(server, self.seconds)
            server.demand_alive()
            cell.samples.append(sample)
            if load.beside is not None and server.contestant.name == OURS:
                cell.beside.append(load.beside.run(server, self.seconds))

    def measure_idle(self, idle: Idle, connections: int) -> IdleResult:
        """A fresh process for each contestant, alone."""
        cells: dict[str, IdleCell] = {}
        for contestant in self.contestants:
            if not self.takes_part(contestant, idle):
                continue
            cell = cells[contestant.name] = IdleCell()
            server = self.server(contestant, idle.app)
            with failures_into(cell, server), server, on_core(self.cores.load):
                try:
                    cell.footprint = uvloop.run(weigh_idlers(server.port, idle.steps(server.port), connections, server.resident_bytes))
                except NotServed as reason:
                    cell.absent = str(reason)
        return IdleResult(workload=idle.name, cells=cells)
