"""The house stands as it was drawn: who may import whom, how large a room may be, and which names no room bears."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HOUSE = ROOT / "pagi"

GROUND = {"gateway", "http"}
FRAMEWORK = {"messages", "context", "routing", "injection", "channels", "stores", "endpoints", "middleware", "apps", "openapi", *GROUND}

# A room may import itself and these. `server/x` stands for that part of `server` alone.
MAY_IMPORT: dict[str, set[str]] = {
    "gateway": {"http"},
    "http": set(),
    "messages": GROUND,
    "context": {"messages", *GROUND},
    "routing": {"http"},
    "injection": GROUND,
    "channels": GROUND,
    "stores": GROUND,
    "endpoints": {"context", "messages", "routing", "injection", *GROUND},
    "middleware": {"context", "messages", "stores", *GROUND},
    "apps": {"context", "messages", "channels", *GROUND},
    "openapi": {"endpoints", "messages", "routing", "injection"},
    "application": {"builder", "defaults", "lifespan", "edge", *FRAMEWORK},
    "defaults": {"tasks", *FRAMEWORK},
    "tasks": GROUND,
    "builder": {"lifespan", "edge", "supplies", *FRAMEWORK},
    "supplies": FRAMEWORK,
    "lifespan": FRAMEWORK,
    "edge": FRAMEWORK,
    "testing": {
        "messages", "injection", *GROUND,
        "server/runtime",  # the two protocols that a memory line and a test runtime meet
        "server/options", "server/service", "server/opening", "server/endings", "server/exchanges", "server/wire",
        "server/process/lifespan",
    },
    "testing/live": {"server", "testing", *GROUND},
    "server": GROUND,
    "first_process": {"standard_streams"},
    "standard_streams": set(),
    "cli": {"", "application", "first_process", "standard_streams", "testing", "server", *FRAMEWORK},
    "__main__": {"cli"},
    "": {"first_process", "application", "builder", "lifespan", "edge", "server", "tasks", *FRAMEWORK},
}  # fmt: skip
"""`""` is the contents page, `pagi/__init__.py`: it shows what authors import, and only the command may read it."""

MOST_LINES = 420
NAMELESS = {"utils", "util", "helpers", "helper", "common", "misc"}
LOOP_ROOMS = ("server/transports/", "server/process/", "testing/runtime")
"""Where a loop is run. Everywhere else async code is written for any loop."""

SOURCES = sorted(HOUSE.rglob("*.py"))


def place(path: Path) -> str:
    """A source's place in the house: `server/wire/http1`, `application`, `""` for the contents page.

    A package's `__init__` is the package.
    """
    parts = path.relative_to(HOUSE).with_suffix("").parts
    return "/".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(source: str, here: str, *, is_package: bool = False) -> Iterator[str]:
    """Every module a source imports, as a dotted name; `from a import b` gives `a.b`, at whatever depth it stands."""
    package = ["pagi", *(part for part in here.split("/") if part)]
    if not is_package:
        package.pop()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            start = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{start}.{alias.name}" for alias in node.names)


def room_of(module: str) -> str | None:
    """The place a dotted name leads to; None outside the house. A name that is no module belongs to the module it is in."""
    parts = module.split(".")
    if parts[0] != "pagi":
        return None
    path = HOUSE
    known: list[str] = []
    for part in parts[1:]:
        path = path / part
        if not (path.is_dir() or path.with_suffix(".py").is_file()):
            break
        known.append(part)
    return "/".join(known)


def rule_of(here: str) -> str | None:
    """The row of the table that holds for a place: the longest that leads to it."""
    if here == "":
        return ""
    rows = [row for row in MAY_IMPORT if row and (here == row or here.startswith(f"{row}/"))]
    return max(rows, key=len, default=None)


def is_allowed(here: str, there: str) -> bool:
    """True if the source at `here` may import what is at `there`."""
    rule = rule_of(here)
    if rule is None:
        return False
    own = rule.split("/")[0]
    if there == own or (own and there.startswith(f"{own}/")):
        return True
    return any(there == allowed or (allowed and there.startswith(f"{allowed}/")) for allowed in MAY_IMPORT[rule])


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", SOURCES, ids=shown)
def test_a_room_imports_only_what_the_table_allows(path: Path) -> None:
    here = place(path)
    assert rule_of(here) is not None, (
        f"{shown(path)} is a room the design does not know: decide what it may import, then add it to the table"
    )
    rooms = {room_of(name) for name in imported(path.read_text(), here, is_package=path.stem == "__init__")} - {None}
    assert [f"pagi/{there}" for there in sorted(room for room in rooms if room is not None) if not is_allowed(here, there)] == []


@pytest.mark.parametrize("path", SOURCES, ids=shown)
def test_no_room_is_too_large(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MOST_LINES


@pytest.mark.parametrize("path", SOURCES, ids=shown)
def test_a_room_is_named_for_what_it_holds(path: Path) -> None:
    assert NAMELESS.isdisjoint(path.relative_to(HOUSE).with_suffix("").parts)


@pytest.mark.parametrize("path", SOURCES, ids=shown)
def test_asyncio_is_named_only_where_a_loop_is_run(path: Path) -> None:
    if place(path).startswith(LOOP_ROOMS):
        return
    names = {name.split(".")[0] for name in imported(path.read_text(), place(path), is_package=path.stem == "__init__")}
    assert "asyncio" not in names


@pytest.mark.parametrize("path", [path for path in SOURCES if place(path).startswith("server/wire")], ids=shown)
def test_an_engine_knows_no_loop_and_no_socket(path: Path) -> None:
    names = {name.split(".")[0] for name in imported(path.read_text(), place(path), is_package=path.stem == "__init__")}
    assert names.isdisjoint({"asyncio", "anyio", "trio", "socket", "ssl", "select", "selectors", "time"})


@pytest.mark.parametrize("path", SOURCES, ids=shown)
def test_a_room_says_what_it_is(path: Path) -> None:
    source = path.read_text()
    assert not source.strip() or ast.get_docstring(ast.parse(source)), "the module has no docstring"


# ---- the reader itself


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("import pagi.http.url", "pagi.http.url"),
        ("from pagi.http import url", "pagi.http.url"),
        ("from pagi.http.errors import PagiError", "pagi.http.errors.PagiError"),
        ("from pagi import App", "pagi.App"),
        ("from .accept import Accept", "pagi.server.wire.accept.Accept"),
        ("from ..options import Flag", "pagi.server.options.Flag"),
        ("from ... import App", "pagi.App"),
        ("def late() -> None:\n    import asyncio", "asyncio"),
        ("if TYPE_CHECKING:\n    from pagi.server import Server", "pagi.server.Server"),
        ("from __future__ import annotations\nimport trio", "trio"),
    ],
)
def test_every_form_of_import_is_read(source: str, name: str) -> None:
    assert name in list(imported(source, "server/wire/http1"))


@pytest.mark.parametrize(
    ("here", "there", "allowed"),
    [
        ("messages/request", "http/headers", True),
        ("messages/request", "messages/body", True),
        ("messages/request", "context/base", False),
        ("http/url", "gateway/types", False),
        ("server/wire/http1", "http/errors", True),
        ("server/wire/http1", "application", False),
        ("server/options", "", False),
        ("testing/client", "server/opening", True),
        ("testing/client", "server/transports/asyncio", False),
        ("testing/client", "server", False),
        ("testing/live", "server/server", True),
        ("cli/run", "", True),
        ("nowhere/at_all", "http/url", False),
        ("", "application", True),
        ("", "cli/run", False),
    ],
)
def test_the_table_is_read_as_the_design_says(here: str, there: str, allowed: bool) -> None:
    assert is_allowed(here, there) is allowed


def test_a_name_belongs_to_the_deepest_module_on_its_way() -> None:
    assert room_of("pagi.http.errors.PagiError") == "http/errors"
    assert room_of("pagi.App") == ""
    assert room_of("asyncio.Task") is None


def test_a_package_counts_relative_imports_from_itself() -> None:
    assert list(imported("from .command import main", "cli", is_package=True)) == ["pagi.cli.command.main"]
