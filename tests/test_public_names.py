"""What authors may import is a decision: the lists of public names stand in `public_names.txt`, and change there first."""

import importlib
from pathlib import Path

import pytest

LIST = Path(__file__).with_name("public_names.txt")


def decided() -> dict[str, list[str]]:
    """The names of each module: a line `[module]`, then a name a line. Blank lines and `#` lines are for the reader."""
    modules: dict[str, list[str]] = {}
    names: list[str] = []
    for line in LIST.read_text().splitlines():
        if line.startswith("["):
            names = modules.setdefault(line.strip("[] "), [])
        elif line.strip() and not line.startswith("#"):
            names.append(line.strip())
    return modules


@pytest.mark.parametrize("module", decided())
def test_a_module_offers_the_names_on_the_list(module: str) -> None:
    offered = set(importlib.import_module(module).__all__)
    listed = set(decided()[module])
    assert sorted(offered - listed) == [], "new public names: add them to tests/public_names.txt if they are meant"
    assert sorted(listed - offered) == [], "public names that are gone: a break, to be named in CHANGELOG.md"


@pytest.mark.parametrize("module", decided())
def test_every_public_name_leads_somewhere(module: str) -> None:
    found = importlib.import_module(module)
    assert [name for name in decided()[module] if not hasattr(found, name)] == []


@pytest.mark.parametrize("module", decided())
def test_no_name_is_listed_twice(module: str) -> None:
    for names in (decided()[module], list(importlib.import_module(module).__all__)):
        assert sorted(set(names)) == sorted(names)


def test_the_contents_page_and_the_agreement_are_on_the_list() -> None:
    assert {"pagi", "pagi.gateway"} <= decided().keys()
