"""The test suite as text: which tests a file has, and on which loops they run. Nothing is imported."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOOPS = {"asyncio", "trio"}


def problem(node_id: str, root: Path = ROOT) -> str:
    """Why a node id names no test that counts; empty where it does.

    A test counts that exists, is never skipped, and, where it is async, runs on both loops.
    """
    name, _, function = node_id.partition("::")
    path = root / name
    if not path.is_file():
        return f"{node_id}: there is no such file"
    tests = _tests(path)
    if function not in tests:
        return f"{node_id}: there is no such test"
    test = tests[function]
    marks = set(_marks(test))
    if marks & {"skip", "skipif", "xfail"}:
        return f"{node_id}: it is not always run"
    if isinstance(test, ast.AsyncFunctionDef):
        if "anyio" not in marks | _module_marks(path):
            return f"{node_id}: it is async and nobody awaits it"
        if _chooses_a_loop(path, root):
            return f"{node_id}: it leaves a loop out"
    return ""


@cache
def _module(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _tests(path: Path) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef]:
    found = (node for node in _module(path).body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return {node.name: node for node in found if node.name.startswith("test_")}


def _marks(test: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[str]:
    for decorator in test.decorator_list:
        yield from _named(decorator)


def _module_marks(path: Path) -> set[str]:
    """The marks that all tests of a file have: what `pytestmark` names."""
    values = (node.value for node in _module(path).body if isinstance(node, ast.Assign) and _is(node.targets[0], "pytestmark"))
    return {name for value in values for name in _named(value)}


def _named(tree: ast.AST) -> Iterator[str]:
    return (node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute))


def _is(target: ast.expr, name: str) -> bool:
    return isinstance(target, ast.Name) and target.id == name


def _chooses_a_loop(path: Path, root: Path) -> bool:
    """The file, or a conftest between it and the one of all tests, has an `anyio_backend` of its own that leaves a loop out."""
    between = [folder / "conftest.py" for folder in path.parents if folder.is_relative_to(root / "tests") and folder != root / "tests"]
    return any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == "anyio_backend" and not _loops(node, source) >= LOOPS
        for source in (path, *between)
        if source.is_file()
        for node in _module(source).body
    )


def _loops(fixture: ast.FunctionDef | ast.AsyncFunctionDef, path: Path) -> set[object]:
    """What a fixture is run with: what its `params` say, or the table of the same file that they name."""
    calls = [decorator for decorator in fixture.decorator_list if isinstance(decorator, ast.Call)]
    params = [keyword.value for call in calls for keyword in call.keywords if keyword.arg == "params"]
    names = {node.id for tree in params for node in ast.walk(tree) if isinstance(node, ast.Name)}
    tables = [node for node in _module(path).body if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") in names]
    return {node.value for tree in (*params, *tables) for node in ast.walk(tree) if isinstance(node, ast.Constant)}
