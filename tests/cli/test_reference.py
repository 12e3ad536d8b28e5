"""The documentation's tables say what the code says."""

from pathlib import Path

import pytest

from pagi.cli.command import main
from pagi.cli.flags import server_flags
from pagi.cli.reference import TABLES, options, renew, renewed

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=lambda page: page.name)
def test_the_tables_of_a_page_are_up_to_date(page: Path) -> None:
    text = page.read_text()
    assert text == renewed(text), "run `make docs`"


SHOWN = [*(("reference/server.md", name) for name in ("options", "commands", "presets", "atoms")), ("gateway.md", "reasons")]


@pytest.mark.parametrize(("page", "table"), SHOWN)
def test_a_page_shows_its_table(page: str, table: str) -> None:
    assert TABLES[table]() in (DOCS / page).read_text()


def test_every_option_has_a_row() -> None:
    rows = [line for line in options().splitlines() if line.startswith("| `--")]
    assert [row.rsplit("`", 2)[1] for row in rows] == list(server_flags())


def test_every_row_says_the_option_in_all_its_spellings() -> None:
    rows = {row.rsplit("`", 2)[1]: row for row in options().splitlines() if row.startswith("| `--")}
    for name, flag in server_flags().items():
        cells = [cell.strip() for cell in rows[name].split(" | ")]
        assert flag.flag in cells[0]
        assert cells[1:3] == [flag.shown_default, flag.help.replace("|", "\\|")]
        assert cells[3] == " ".join(f"`{variable}`" for variable in flag.environment)
        assert cells[4] == f"`{flag.key}`"


def test_every_command_has_a_table() -> None:
    assert [name for name in main.commands if f"### `pagi {name}`" not in TABLES["commands"]()] == []


def test_a_stale_table_is_written_anew(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("above\n<!-- reasons: written by `make docs`, not by hand -->\nstale\n<!-- end of reasons -->\nbelow\n")
    renew(page)
    assert TABLES["reasons"]() in page.read_text()
    assert "stale" not in page.read_text()
    assert page.read_text().startswith("above\n")
    assert page.read_text().endswith("\nbelow\n")


def test_a_place_for_an_unknown_table_is_refused() -> None:
    with pytest.raises(KeyError):
        renewed("<!-- cats: written by `make docs`, not by hand -->\n<!-- end of cats -->")
