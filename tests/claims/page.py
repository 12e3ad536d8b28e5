"""The page that shows the table of facts. `make docs` writes it, a test holds it."""

import sys
from pathlib import Path

from tests.claims.facts import STATUSES, Fact, Section, counted, sections

HEAD = """\
<!-- Written by `make docs` from tests/claims/framework.toml, not by hand. -->

# What the original's tests say, and where ours say it

pagi is the Python rendering of PAGI, the Perl Asynchronous Gateway Interface, and what an author could rely on there was held by
tests. Here is every fact that those tests hold about the framework, one a line, beside the tests of ours that hold it. Where
pagi decided otherwise, the line says the rule that took its place, and the tests hold that. Lines in parentheses are about what
the original does though no test of it says so. Every async test runs on asyncio and on trio.
"""


def page(table: tuple[Section, ...]) -> str:
    """The whole page."""
    return "\n".join([HEAD, _summary(table), *(_section(section) for section in table)])


def _summary(table: tuple[Section, ...]) -> str:
    rows = [_counts(f"[{section.title}](#{_anchor(section)})", section.fact) for section in table]
    everything = _counts("all", tuple(fact for section in table for fact in section.fact))
    return "\n".join([f"| | facts | {' | '.join(STATUSES)} |", "|---|---|---|---|---|", *rows, everything, ""])


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
    if fact.later:
        says += f" **Later:** {fact.later}."
    return f"| {says.replace('|', chr(92) + '|')} | {', '.join(map(_link, fact.tests)) or 'none yet'} |"


def _link(node_id: str) -> str:
    """A test's name as the sentence it is, leading to its file."""
    path, _, name = node_id.partition("::")
    return f"[{name.removeprefix('test_').replace('_', ' ')}](../{path})"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(sections()), encoding="utf-8")
