"""The tables of the documentation that are made from the code. `make docs` writes them, a test holds them."""

import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import click

from pagi.cli.command import main
from pagi.cli.flags import ServerFlag, sections
from pagi.cli.parameters import ServerOption
from pagi.gateway.reasons import MEANING, outcome_of
from pagi.server.access_log.atoms import ATOMS, NAMED
from pagi.server.access_log.formats import PRESETS
from pagi.server.access_log.own import Entry

PLACE = re.compile(r"(<!-- (\w+): written by `make docs`, not by hand -->\n).*?(<!-- end of \2 -->)", re.DOTALL)


def options() -> str:
    """A Markdown table of the server's options for each option struct, under its title."""
    tables: list[str] = []
    for title, flags in sections():
        rows = [_option(flag) for flag in flags]
        tables.append(f"## {title}\n\n{_table(('flag', 'default', 'what it does', 'environment', 'key', 'in Python'), rows)}")
    return "\n".join(tables)


def commands() -> str:
    """A Markdown table of what each command takes, the server's options left out."""
    tables: list[str] = []
    for name, command in main.commands.items():
        rows = [_parameter(parameter) for parameter in command.params if not isinstance(parameter, ServerOption)]
        tables.append(f"### `pagi {name}`\n\n{_table(('parameter', 'what it does', 'environment'), rows)}")
    return "\n".join(tables)


def presets() -> str:
    """A Markdown table of the access log's presets."""
    ours = [
        ("`text`", '`time client kind "request" status bytes duration`, then what there is of reason, `[route]` and `id=...`'),
        ("`json`", f"one JSON object on one line: {', '.join(f'`{name}`' for name in Entry.__struct_fields__)}"),
    ]
    strings = [(f"`{name}`", f"`{format}`") for name, format in PRESETS.items()]
    return _table(("word", "stands for"), [*ours, *strings])


def atoms() -> str:
    """A Markdown table of the access log's atoms."""
    letters = [(f"`%{letter}`", atom.help) for letter, atom in ATOMS.items()]
    fields = [
        ("`%{Name}i`", "the first field `Name` of the request, in any case; `-` without one"),
        ("`%{Name}o`", "the first field `Name` of the answer, as the application gave it; `-` without one"),
    ]
    words = [(f"`%{{{word}}}x`", atom.help) for word, atom in NAMED.items()]
    return _table(("atom", "shows"), [*letters, *fields, *words, ("`%%`", "a percent sign")])


def reasons() -> str:
    """A Markdown table of the reasons why an exchange ends early, and the outcome that each of them is."""
    rows = [(f"`{reason.value}`", meaning, f"`{outcome_of(reason).value}`") for reason, meaning in MEANING.items()]
    return _table(("reason", "what happened", "outcome"), rows)


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    ruled = [f"| {' | '.join(line)} |" for line in lines]
    ruled[1] = f"|{'---|' * len(heads)}"
    return "\n".join(ruled) + "\n"


def _option(flag: ServerFlag) -> Sequence[str]:
    spelling = " ".join(f"`{form}`" for form in flag.spelling.split("/"))
    if flag.choices and not flag.is_list:
        spelling += f" {', '.join(flag.choices)}"
    elif not flag.is_switch:
        spelling += f" {flag.unit}{', a list' if flag.is_list else ''}"
    variables = " ".join(f"`{name}`" for name in flag.environment)
    return spelling, flag.shown_default, flag.help, variables, f"`{flag.key}`", f"`{flag.name}`"


def _parameter(parameter: click.Parameter) -> Sequence[str]:
    if not isinstance(parameter, click.Option):
        return "`APP`", "The application: `main:app`, a module, or a file. Default: `app` of `[tool.pagi]` in pyproject.toml.", ""
    spelling = " ".join(f"`{form}`" for form in (*parameter.opts, *parameter.secondary_opts))
    return spelling, parameter.help or "", f"`{parameter.envvar}`" if parameter.envvar else ""


TABLES: dict[str, Callable[[], str]] = {
    "options": options,
    "commands": commands,
    "presets": presets,
    "atoms": atoms,
    "reasons": reasons,
}


def renewed(page: str) -> str:
    """The page with every table between its two marks written anew.

    >>> mark = "<!-- reasons: written by `make docs`, not by hand -->"
    >>> print(renewed(f"{mark}\\nold\\n<!-- end of reasons -->").splitlines()[4].split(" | ")[0])
    | `client_closed`

    Raises:
        KeyError: a mark names no table.
    """
    return PLACE.sub(lambda place: f"{place[1]}\n{TABLES[place[2]]()}\n{place[3]}", page)


def renew(path: Path) -> None:
    """Writes the tables of a file anew, in place."""
    path.write_text(renewed(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        renew(Path(name))
