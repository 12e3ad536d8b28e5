"""The pages that show the tables of facts. `make docs` writes them, a test holds them."""

import sys
from pathlib import Path

from tests.claims.facts import FRAMEWORK, SERVER, STATUSES, Fact, Section, counted, sections

ABOUT_FRAMEWORK = """\
# What the original's tests say, and where ours say it

pagi is the Python rendering of PAGI, the Perl Asynchronous Gateway Interface, and what an author could rely on there was held by
tests. Here is every fact that those tests hold about the framework, one a line, beside the tests of ours that hold it; the server
has a page of its own, [claims-server.md](claims-server.md). Where
pagi decided otherwise, the line says the rule that took its place, and the tests hold that. Lines in parentheses are about what
the original does though no test of it says so. Every async test runs on asyncio and on trio.
"""

ABOUT_SERVER = """\
# What the original's tests say about its server, and where ours say it

pagi is the Python rendering of PAGI, the Perl Asynchronous Gateway Interface. Here is every fact that its tests hold about its server
and the command that runs it, one a line, beside the tests of ours that hold it; the framework has a page of its own,
[claims.md](claims.md). Where pagi decided otherwise, the line says the rule that took its place, and the tests hold that; where it has
nothing of the kind, the line says why. Lines in parentheses are about what the original does though no test of it says so: most of them
are its faults, and the tests show that they are not ours. Every async test runs on asyncio and on trio. What was tested against whom,
and how to repeat it, stands in [compliance.md](compliance.md).
"""

PAGES = {"claims.md": (FRAMEWORK, ABOUT_FRAMEWORK), "claims-server.md": (SERVER, ABOUT_SERVER)}
"""Each page's table, and what stands at its head."""


def rendered(name: str) -> str:
    """One of the pages, whole."""
    table, about = PAGES[name]
    return page(about, sections(table), f"tests/claims/{table.name}")


def page(about: str, table: tuple[Section, ...], source: str) -> str:
    """A table as a page."""
    head = f"<!-- Written by `make docs` from {source}, not by hand. -->\n\n{about}"
    return "\n".join([head, _summary(table), *(_section(section) for section in table)])


def _summary(table: tuple[Section, ...]) -> str:
    rows = [_counts(f"[{section.title}](#{_anchor(section)})", section.fact) for section in table]
    everything = _counts("all", tuple(fact for section in table for fact in section.fact))
    return "\n".join([f"| | facts | {' | '.join(STATUSES)} |", "|---|---|---|---|---|---|", *rows, everything, ""])


def _counts(title: str, facts: tuple[Fact, ...]) -> str:
    counts = counted(facts)
    return f"| {title} | {len(facts)} | {' | '.join(str(counts[status]) for status in STATUSES)} |"


def _anchor(section: Section) -> str:
    kept = "".join(char for char in section.title.lower() if char.isalnum() or char in " -")
    return kept.replace(" ", "-")


def _section(section: Section) -> str:
    rows = "\n".join(_row(fact) for fact in section.fact)
    return f"## {section.title}\n\n| The original's tests say | and ours |\n|---|---|\n{rows}\n"


def _row(fact: Fact) -> str:
    says = f"({fact.says}.)" if fact.beside_tests else f"{fact.says}."
    if fact.ours:
        says += f" **Here:** {fact.ours}."
    if fact.not_here:
        says += f" **Not here:** {fact.not_here}."
    if fact.later:
        says += f" **Later:** {fact.later}."
    none = "none yet" if fact.later else "none"
    return f"| {says.replace('|', chr(92) + '|')} | {', '.join(map(_link, fact.tests)) or none} |"


def _link(node_id: str) -> str:
    """A test's name as the sentence it is, leading to its file."""
    path, _, name = node_id.partition("::")
    return f"[{name.removeprefix('test_').replace('_', ' ')}](../{path})"


if __name__ == "__main__":
    for name in PAGES:
        (Path(sys.argv[1]) / name).write_text(rendered(name), encoding="utf-8")
