"""Documentation that runs: every Python block of README and docs/, the tests written in them, and every docstring's example."""

import ast
import doctest
import importlib
import re
import sys
import traceback
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
MODULES = sorted(path for path in (ROOT / "pagi").rglob("*.py") if path.name != "__main__.py")
FENCE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(text: str) -> Iterator[str]:
    """The Python blocks of a page, each behind as many empty lines as stand above it, so that tracebacks name the page's lines."""
    for found in FENCE.finditer(text):
        yield "\n" * text.count("\n", 0, found.start(1)) + found[1]


def run_page(page: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Runs the blocks of a page one after the other, as one module."""
    module = ModuleType(f"page_{page.stem}")
    module.__file__ = str(page)
    monkeypatch.setitem(sys.modules, module.__name__, module)  # annotations are looked up there
    for block in blocks(text):
        exec(compile(block, str(page), "exec"), vars(module))
    return module


def written_tests(text: str) -> Iterator[str]:
    """The names of the test functions that a page defines."""
    for block in blocks(text):
        for node in ast.parse(block).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                yield node.name


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_the_samples_of_a_page_run(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_page(page, page.read_text(), monkeypatch)


@pytest.mark.parametrize(
    ("page", "name"),
    [pytest.param(page, name, id=f"{shown(page)}-{name}") for page in PAGES for name in written_tests(page.read_text())],
)
@pytest.mark.anyio
async def test_a_test_on_a_page_passes(page: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = run_page(page, page.read_text(), monkeypatch)
    written = cast("Callable[[], Awaitable[None] | None]", getattr(module, name))
    result = written()
    if result is not None:
        await result


@pytest.mark.parametrize("path", MODULES, ids=shown)
def test_a_module_imports_and_its_examples_hold(path: Path) -> None:
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    failed = doctest.testmod(importlib.import_module(name), raise_on_error=False, optionflags=doctest.FAIL_FAST).failed
    assert failed == 0, "see the captured output above"


# ---- the runner itself


def test_only_python_blocks_are_run() -> None:
    page = "# Title\n\n```console\n$ rm -r x\n```\n\n```python\na = 1\n```\n\n    indented\n\n```python\nb = a + 1\n```\n"
    assert [block.strip() for block in blocks(page)] == ["a = 1", "b = a + 1"]


def test_a_block_that_fails_is_named_by_the_line_of_its_page(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        run_page(Path("sample.md"), "text\n\n```python\nx = 1\n1 / 0\n```\n", monkeypatch)
    innermost = traceback.extract_tb(caught.value.__traceback__)[-1]
    assert (innermost.filename, innermost.lineno) == ("sample.md", 5)


def test_the_blocks_of_a_page_share_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = run_page(Path("sample.md"), "```python\na = 1\n```\nand\n```python\nb = a + 1\n```\n", monkeypatch)
    assert module.b == 2


def test_tests_on_a_page_are_found_in_both_forms() -> None:
    page = "```python\ndef test_a(): ...\nasync def test_b(): ...\ndef c(): ...\n```\n"
    assert list(written_tests(page)) == ["test_a", "test_b"]


def test_every_public_page_has_something_to_run() -> None:
    assert [shown(page) for page in (ROOT / "README.md", ROOT / "docs" / "gateway.md") if not list(blocks(page.read_text()))] == []


def test_a_docstring_example_that_is_wrong_is_noticed() -> None:
    module = ModuleType("wrong")
    module.__doc__ = ">>> 1 + 1\n3\n"
    assert doctest.testmod(module, report=False, verbose=False).failed == 1


def test_modules_are_found() -> None:
    assert "pagi/server/options/__init__.py" in [shown(path) for path in MODULES]
