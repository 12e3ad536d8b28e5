"""The course of a run: start the contestants of a workload, check them, let them take turns, end them."""

from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import uvloop

from benchmarks.clients.idlers import weigh_idlers
from benchmarks.contestants import BASELINE, OURS, Contestant
from benchmarks.failure import BenchmarkError, NotServed, ServerFailed
from benchmarks.pinning import Cores, on_core
from benchmarks.props import Props
from benchmarks.results import IdleCell, IdleResult, LoadCell, LoadResult
from benchmarks.server_process import ROOT, ServerProcess
from benchmarks.service import Service
from benchmarks.workloads import Idle, Load

FAILURES = (BenchmarkError, OSError, EOFError)
"""What a server does to a round by dying or hanging up: it is written into its cell, and the others go on."""


@contextmanager
def failures_into(cell: LoadCell | IdleCell, server: ServerProcess) -> Generator[None]:
    """Writes into `cell` what goes wrong inside, with the server's last words, and goes on after it."""
    try:
        yield
    except FAILURES as error:
        cell.failure = str(error) or repr(error)  # some errors of the system have no words
        if not isinstance(error, ServerFailed):
            cell.failure += f"\nthe server said: {server.last_output()}"


def knows(checkout: Path, workload: str) -> bool:
    """Whether the benchmarks of that checkout have a workload of this name."""
    return any(f'"{workload}"' in path.read_text() for path in (checkout / "benchmarks").glob("*.py"))


class Session:
    """One run over any workloads. `asked`: the contestants were named, so they take part wherever they can."""

    def __init__(
        self,
        contestants: Sequence[Contestant],
        cores: Cores,
        props: Props,
        *,
        asked: bool,
        rounds: int,
        seconds: int,
        baseline: Path = ROOT,
    ) -> None:
        self.contestants = contestants
        self.cores = cores
        self.props = props
        self.asked = asked
        self.rounds = rounds
        self.seconds = seconds
        self.baseline = baseline

    def server(self, contestant: Contestant, service: Service) -> ServerProcess:
        folder = self.baseline if contestant.name == BASELINE else ROOT
        return ServerProcess(contestant, service, core=self.cores.server, environment=self.props.environment, folder=folder)

    def takes_part(self, contestant: Contestant, workload: Load | Idle) -> bool:
        """Who can, and was asked or comes unasked. The baseline stays out of what was not measured yet when it was made."""
        if contestant.name == BASELINE:
            return contestant.serves(workload.name) and knows(self.baseline, workload.name)
        return contestant.serves(workload.name) and (self.asked or contestant.unasked(workload.name))

    def measure_load(self, load: Load) -> LoadResult:
        """Every contestant once a round, each round in another order, so that a slow minute of the machine hurts all alike."""
        runners = [one for one in self.contestants if self.takes_part(one, load)]
        cells = {contestant.name: LoadCell() for contestant in runners}
        service = Service(load.app, http2=load.http2, key_pair=self.props.key_pair if load.tls else None)
        with ExitStack() as stack:
            servers: list[ServerProcess] = []
            for contestant in runners:
                server = self.server(contestant, service)
                with failures_into(cells[contestant.name], server):
                    stack.enter_context(server)
                    load.check(server.service)
                    server.wait_until_resting()
                    servers.append(server)
            with on_core(self.cores.load):
                for turn in range(self.rounds):
                    first = turn % max(1, len(servers))
                    for server in servers[first:] + servers[:first]:
                        self.measure_round(load, server, cells[server.contestant.name])
        return LoadResult(workload=load.name, reference=load.reference, cells=cells)

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
            server = self.server(contestant, Service(idle.app))
            with failures_into(cell, server), server, on_core(self.cores.load):
                try:
                    cell.footprint = uvloop.run(weigh_idlers(server.port, idle.steps(server.port), connections, server.resident_bytes))
                except NotServed as reason:
                    cell.absent = str(reason)
        return IdleResult(workload=idle.name, cells=cells)
