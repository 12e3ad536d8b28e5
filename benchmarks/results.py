"""What a run has found: every round as it was, and the medians that are read from them."""

from statistics import median

import msgspec

from benchmarks.measure import Footprint, Sample


class LoadCell(msgspec.Struct):
    """One contestant in one workload. Numbers count only where nothing failed."""

    samples: list[Sample] = []
    failure: str | None = None
    beside: list[Sample] = []
    """Rounds of `Load.beside`, each right after one of these, on the same process."""

    @property
    def cpu_microseconds(self) -> float:
        return median(sample.cpu_microseconds for sample in self.samples)

    @property
    def supervisor_microseconds(self) -> float:
        return median(sample.supervisor_microseconds for sample in self.samples)

    @property
    def rate(self) -> float:
        return median(sample.rate for sample in self.samples)

    @property
    def busy(self) -> float:
        return median(sample.busy for sample in self.samples)

    @property
    def p99_milliseconds(self) -> float:
        return 1e3 * median(sample.p99_seconds for sample in self.samples)

    @property
    def spread(self) -> float:
        """Distance of the dearest round from the cheapest, as a part of the median."""
        costs = [sample.cpu_microseconds for sample in self.samples]
        return (max(costs) - min(costs)) / median(costs)

    @property
    def over_beside(self) -> float | None:
        """Cost of a request over that of one of `Load.beside`; None where that was not measured."""
        if not self.beside or not self.counts:
            return None
        return self.cpu_microseconds / median(sample.cpu_microseconds for sample in self.beside)

    @property
    def counts(self) -> bool:
        return bool(self.samples) and self.failure is None


class LoadResult(msgspec.Struct):
    """One workload, all contestants."""

    workload: str
    reference: str
    cells: dict[str, LoadCell]

    def ratio(self, name: str) -> float | None:
        """Cost of the reference over that of `name`: above 1 is cheaper than the reference. None where either failed or was not asked."""
        reference, cell = self.cells.get(self.reference), self.cells.get(name)
        if reference is None or cell is None or not reference.counts or not cell.counts:
            return None
        return reference.cpu_microseconds / cell.cpu_microseconds


class IdleCell(msgspec.Struct):
    """One contestant's memory. `absent` says why it does not compete, `failure` what went wrong."""

    footprint: Footprint | None = None
    absent: str | None = None
    failure: str | None = None


class IdleResult(msgspec.Struct):
    """One kind of idle connection, all contestants."""

    workload: str
    cells: dict[str, IdleCell]


class Machine(msgspec.Struct, frozen=True):
    """Where it ran. Numbers of two machines do not compare; ratios nearly do."""

    processor: str
    system: str
    python: str
    server_core: int
    load_core: int
    packages: dict[str, str]


class Run(msgspec.Struct):
    """Everything, as `--json` writes it."""

    machine: Machine
    rounds: int
    seconds: int
    loads: list[LoadResult] = []
    idles: list[IdleResult] = []

    @property
    def failures(self) -> list[str]:
        """One line for each contestant that failed somewhere."""
        found = [
            f"{result.workload}, {name}: {cell.failure}" for result in self.loads for name, cell in result.cells.items() if cell.failure
        ]
        found += [
            f"{result.workload}, {name}: {cell.failure}" for result in self.idles for name, cell in result.cells.items() if cell.failure
        ]
        return found
