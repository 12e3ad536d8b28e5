"""The tables of facts are whole, and what they name is there."""

import re
from pathlib import Path

import pytest

from tests.claims.facts import FRAMEWORK, SERVER, Fact, Section, counted, sections
from tests.claims.page import PAGES, page, rendered
from tests.claims.suite import ROOT, problem

FRAMEWORK_PARTS = {str(number) for number in (*range(2, 9), *range(10, 15))}
"""The parts of the framework whose tests the original has; requests and forms (9) have their own."""
SERVER_PARTS = {"1", "2", "3"} | {f"5.{number}" for number in range(1, 19)}
"""The server's: what its tests say, part by part, and before them what it does beside its tests and what it defends against."""

SECTIONS = [*sections(FRAMEWORK), *sections(SERVER)]
FACTS = [fact for section in SECTIONS for fact in section.fact]


def test_every_part_has_facts() -> None:
    assert {section.number.partition(".")[0] for section in sections(FRAMEWORK)} == FRAMEWORK_PARTS
    assert {section.number for section in sections(SERVER)} == SERVER_PARTS
    assert [section.number for section in SECTIONS if not section.fact] == []


def test_every_fact_has_a_test_or_a_reason() -> None:
    assert [fact.says for fact in FACTS if bool(fact.tests) == bool(fact.later or fact.not_here)] == []
    assert [fact.says for fact in FACTS if bool(fact.ours) + bool(fact.later) + bool(fact.not_here) > 1] == []


def test_no_fact_stands_twice_in_its_part() -> None:
    for section in SECTIONS:
        says = [fact.says for fact in section.fact]
        assert len(says) == len(set(says))


def test_every_fact_is_one_sentence_without_its_point() -> None:
    told = [text for fact in FACTS for text in (fact.says, fact.ours, fact.not_here, fact.later) if text]
    assert [text for text in told if text.endswith(".") or text != text.strip()] == []


def test_every_named_test_exists_is_run_and_runs_on_both_loops() -> None:
    named = {node_id for fact in FACTS for node_id in fact.tests}
    assert [why for node_id in sorted(named) if (why := problem(node_id))] == []


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_up_to_date(name: str) -> None:
    assert (ROOT / "docs" / name).read_text() == rendered(name), "run `make docs`"


def test_what_the_page_on_compliance_points_to_is_there() -> None:
    page = ROOT / "docs" / "compliance.md"
    links = re.findall(r"\]\(([^)]+)\)", page.read_text())
    assert len(links) > 30
    assert [link for link in links if not (page.parent / link).resolve().exists()] == []


# ---- the readers themselves


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A repository with tests of every sort."""
    (tmp_path / "tests" / "one_loop").mkdir(parents=True)
    (tmp_path / "tests" / "conftest.py").write_text("def anyio_backend(): ...\n")
    (tmp_path / "tests" / "test_marked.py").write_text(
        "pytestmark = pytest.mark.anyio\nasync def test_a(): ...\n@pytest.mark.skip\ndef test_b(): ...\ndef helper(): ...\n"
    )
    (tmp_path / "tests" / "test_bare.py").write_text("async def test_a(): ...\n@pytest.mark.anyio\nasync def test_b(): ...\n")
    (tmp_path / "tests" / "one_loop" / "conftest.py").write_text("def anyio_backend(): return 'trio'\n")
    (tmp_path / "tests" / "one_loop" / "test_it.py").write_text("pytestmark = pytest.mark.anyio\nasync def test_a(): ...\n")
    (tmp_path / "tests" / "test_all_loops.py").write_text(
        'LOOPS: dict = {"asyncio": 1, "uvloop": 2, "trio": 3}\n@pytest.fixture(params=LOOPS)\ndef anyio_backend(): ...\n'
        "@pytest.mark.anyio\nasync def test_a(): ...\n"
    )
    (tmp_path / "tests" / "test_some_loops.py").write_text(
        '@pytest.fixture(params=["asyncio", "uvloop"])\ndef anyio_backend(): ...\n@pytest.mark.anyio\nasync def test_a(): ...\n'
    )
    return tmp_path


@pytest.mark.parametrize(
    ("node_id", "why"),
    [
        ("tests/test_marked.py::test_a", ""),
        ("tests/test_bare.py::test_b", ""),
        ("tests/test_gone.py::test_a", "no such file"),
        ("tests/test_marked.py::test_gone", "no such test"),
        ("tests/test_marked.py::helper", "no such test"),
        ("tests/test_marked.py", "no such test"),
        ("tests/test_marked.py::test_b", "not always run"),
        ("tests/test_bare.py::test_a", "nobody awaits it"),
        ("tests/one_loop/test_it.py::test_a", "leaves a loop out"),
        ("tests/test_some_loops.py::test_a", "leaves a loop out"),
        ("tests/test_all_loops.py::test_a", ""),
    ],
)
def test_a_name_that_leads_to_no_test_that_counts_is_told(suite: Path, node_id: str, why: str) -> None:
    found = problem(node_id, suite)
    assert why in found
    assert bool(found) is bool(why)


def test_a_page_shows_each_fact_with_what_became_of_it() -> None:
    facts = (
        Fact(says="It is so", tests=("tests/test_a.py::test_it_is_so",)),
        Fact(says="It was a | b", ours="It is b", tests=("tests/test_a.py::test_b", "tests/test_b.py::test_b_too")),
        Fact(says="It was c", not_here="nobody asks for it"),
        Fact(says="It will be", later="somebody has to build it", beside_tests=True),
    )
    assert counted(facts) == {"tested": 1, "different": 1, "not here": 1, "later": 1}
    shown = page("# All\n", (Section(number="5.1", title="All of it: here", fact=facts),), "facts.toml")
    assert shown.startswith("<!-- Written by `make docs` from facts.toml, not by hand. -->\n\n# All\n\n|")
    assert "| [All of it: here](#all-of-it-here) | 4 | 1 | 1 | 1 | 1 |" in shown
    assert "| It is so. | [it is so](../tests/test_a.py) |" in shown
    assert r"| It was a \| b. **Here:** It is b. | [b](../tests/test_a.py), [b too](../tests/test_b.py) |" in shown
    assert "| It was c. **Not here:** nobody asks for it. | none |" in shown
    assert "| (It will be.) **Later:** somebody has to build it. | none yet |" in shown
