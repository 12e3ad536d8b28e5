"""Tables for people: what each request cost, beside the reference, and which targets are met."""

import os
import sys

from benchmarks.contestants import BASELINE, CONTESTANTS, OURS, WORKERS_WORK
from benchmarks.pinning import Cores
from benchmarks.results import IdleResult, LoadResult, Machine
from benchmarks.workloads import BASELINE_FACTOR, BESIDE_FACTOR, PROCESS_CEILING_MIB, Idle, Load

GOOD, BAD, STRONG, FAINT = "32", "31", "1", "2"
KIB = 1024
MIB = KIB * KIB


class Paper:
    """Prints to stdout, in colour where that is a terminal and NO_COLOR is not set."""

    def __init__(self) -> None:
        self.coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        self.verdicts: list[tuple[bool, str]] = []

    def paint(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self.coloured else text

    def line(self, text: str = "") -> None:
        print(text, flush=True)

    def judge(self, met: bool, text: str) -> str:
        """Remembers a target for the summary; the word for the table."""
        self.verdicts.append((met, text))
        return self.paint("met", GOOD) if met else self.paint("MISSED", BAD)

    def heading(self, name: str, title: str) -> None:
        self.line(f"\n{self.paint(name, STRONG)}  {title}")

    def machine(self, machine: Machine, cores: Cores) -> None:
        """Where and with what."""
        self.line(f"{machine.processor}, {machine.system}, {machine.python}")
        self.line(", ".join(f"{name} {version}" for name, version in machine.packages.items()))
        if cores.shared:
            self.line(f"one core only: servers and load generators share core {cores.server}. CPU time holds; rates and p99 mean little")
        else:
            self.line(f"servers on core {cores.server}, load generators on core {cores.load}")

    def load(self, load: Load, result: LoadResult) -> None:
        """One workload, cheapest first, then what failed."""
        self.heading(load.name, load.title)
        self.line(
            self.paint(
                f"  {'':<26}{f'CPU us/{load.unit}':>15}{'spread':>8}{f'{load.unit}s/s':>13}{'p99 ms':>10}{'busy':>7}{'ratio':>8}", FAINT
            )
        )
        counted = sorted((name for name, cell in result.cells.items() if cell.counts), key=lambda name: result.cells[name].cpu_microseconds)
        for name in counted:
            cell, ratio = result.cells[name], result.ratio(name)
            title = f"{CONTESTANTS[name].title:<26}"
            row = f"{cell.cpu_microseconds:>15.2f}{cell.spread:>8.0%}{cell.rate:>13,.0f}{cell.p99_milliseconds:>10.2f}{cell.busy:>7.0%}"
            row += f"{ratio:>8.2f}" if ratio is not None else f"{'-':>8}"
            self.line(f"  {self.paint(title, STRONG) if CONTESTANTS[name].is_ours else title}{row}{self.target(load, result, name)}")
        for name, cell in result.cells.items():
            if cell.failure is not None:
                self.line(f"  {CONTESTANTS[name].title:<26}{self.paint('failed: ' + cell.failure.splitlines()[0], BAD)}")
        if load.name == WORKERS_WORK:
            self.supervisors(result)
        self.lead(load, result)
        self.beside(load, result)
        self.baseline(load, result)

    def target(self, load: Load, result: LoadResult, name: str) -> str:
        wanted, ratio = load.targets.get(name), result.ratio(name)
        if name == result.reference:
            return "  the reference"
        if wanted is None or ratio is None:
            return ""
        verdict = self.judge(ratio >= wanted, f"{load.name}: {CONTESTANTS[name].title} {ratio:.2f}x of {wanted:.3g}x")
        return f"  target {wanted:.3g}: {verdict}"

    def lead(self, load: Load, result: LoadResult) -> None:
        """Whether ours is ahead of every peer."""
        peers = {name: cell.cpu_microseconds for name, cell in result.cells.items() if cell.counts and not CONTESTANTS[name].is_ours}
        ours = result.cells.get(OURS)
        if not load.is_race or ours is None or not ours.counts or not peers:
            return
        best = min(peers, key=lambda name: peers[name])
        factor = peers[best] / ours.cpu_microseconds
        verdict = self.judge(factor > 1, f"{load.name}: {factor:.2f}x ahead of the best peer, {CONTESTANTS[best].title}")
        self.line(f"  ahead of every peer: {verdict} ({factor:.2f}x {CONTESTANTS[best].title})")

    def supervisors(self, result: LoadResult) -> None:
        """What of each cost the process took that watches the workers."""
        for name, cell in result.cells.items():
            if cell.counts and cell.supervisor_microseconds:
                self.line(f"  {CONTESTANTS[name].title:<26}{cell.supervisor_microseconds:>15.3f} of it by the supervisor")

    def beside(self, load: Load, result: LoadResult) -> None:
        """Whether ours is hardly dearer than another workload of the same process."""
        cell = result.cells.get(OURS)
        if load.beside is None or cell is None or (factor := cell.over_beside) is None:
            return
        verdict = self.judge(factor <= BESIDE_FACTOR, f"{load.name}: {factor:.2f}x its own {load.beside.name}, at most {BESIDE_FACTOR:g}x")
        self.line(f"  at most {BESIDE_FACTOR:g}x the cost of {load.beside.name} on the same process: {verdict} ({factor:.2f}x)")

    def baseline(self, load: Load, result: LoadResult) -> None:
        """Whether ours has become dearer than the other checkout."""
        ours, baseline = result.cells.get(OURS), result.cells.get(BASELINE)
        if ours is None or baseline is None or not ours.counts or not baseline.counts:
            return
        factor = ours.cpu_microseconds / baseline.cpu_microseconds
        verdict = self.judge(factor <= BASELINE_FACTOR, f"{load.name}: {factor:.2f}x the baseline, at most {BASELINE_FACTOR:g}x")
        self.line(f"  at most {BASELINE_FACTOR:g}x the cost of the baseline: {verdict} ({factor:.2f}x)")

    def idle(self, idle: Idle, result: IdleResult, *, with_process: bool) -> None:
        """One kind of idle connection, lightest first."""
        self.heading(idle.name, f"memory of {idle.title}")
        self.line(self.paint(f"  {'':<26}{'KiB each':>15}{'process MiB':>13}", FAINT))
        weighed = {name: cell.footprint for name, cell in result.cells.items() if cell.footprint is not None}
        for name, footprint in sorted(weighed.items(), key=lambda item: item[1].connection_bytes):
            each, process = footprint.connection_bytes / KIB, footprint.process_bytes / MIB
            row = f"  {CONTESTANTS[name].title:<26}{each:>15.1f}{process:>13.1f}"
            ceiling = idle.ceilings.get(name)
            if ceiling is not None:
                text = f"{idle.name}: {CONTESTANTS[name].title} {each:.1f} KiB of {ceiling:g}"
                row += f"  at most {ceiling:g}: {self.judge(each <= ceiling, text)}"
                if with_process and name == OURS:
                    verdict = self.judge(process <= PROCESS_CEILING_MIB, f"process: {process:.1f} MiB of {PROCESS_CEILING_MIB:g}")
                    row += f"; process at most {PROCESS_CEILING_MIB:g}: {verdict}"
            self.line(row)
        for name, cell in result.cells.items():
            if cell.absent is not None:
                self.line(f"  {CONTESTANTS[name].title:<26}{self.paint(cell.absent, FAINT)}")
            if cell.failure is not None:
                self.line(f"  {CONTESTANTS[name].title:<26}{self.paint('failed: ' + cell.failure.splitlines()[0], BAD)}")

    def summary(self) -> None:
        """Every target once more, the missed ones last, where the eye rests."""
        if not self.verdicts:
            return
        met = sum(met for met, _ in self.verdicts)
        self.heading("targets", f"{met} of {len(self.verdicts)} met")
        for verdict, text in sorted(self.verdicts, key=lambda item: not item[0]):
            self.line(f"  {self.paint('met   ', GOOD) if verdict else self.paint('MISSED', BAD)}  {text}")
