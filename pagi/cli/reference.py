"""The tables of the documentation that are made from the code. `make docs` writes them, a test holds them."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

from pagi.cli.flags import ServerFlag, sections
from pagi.gateway.reasons import MEANING, outcome_of

PLACE = re.compile(r"(<!-- (\w+): written by `make docs`, not by hand -->\n).*?(<!-- end of \2 -->)", re.DOTALL)


def options() -> str:
    """A Markdown table of the server's options for each option struct, under its title."""
    tables: list[str] = []
    for title, flags in sections():
        rows = "\n".join(_option(flag) for flag in flags)
        tables.append(f"### {title}\n\n| option | default | what it does | in Python |\n|---|---|---|---|\n{rows}\n")
    return "\n".join(tables)


def reasons() -> str:
    """A Markdown table of the reasons why an exchange ends early, and the outcome that each of them is."""
    rows = "\n".join(f"| `{reason.value}` | {meaning} | `{outcome_of(reason).value}` |" for reason, meaning in MEANING.items())
    return f"| reason | what happened | outcome |\n|---|---|---|\n{rows}\n"


def _option(flag: ServerFlag) -> str:
    spelling = " ".join(f"`{form}`" for form in flag.spelling.split("/"))
    if flag.choices and not flag.is_list:
        spelling += f" {', '.join(flag.choices)}"
    elif not flag.is_switch:
        spelling += f" {flag.unit}"
    return f"| {spelling} | {flag.shown_default} | {flag.help} | `{flag.name}` |"


TABLES: dict[str, Callable[[], str]] = {"options": options, "reasons": reasons}


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
