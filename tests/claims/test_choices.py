"""What may be set elsewhere has its answer here, and every name in the answer leads somewhere."""

import click
import pytest

from pagi.cli.command import main
from pagi.server.options import option_fields
from tests.claims.choices import Choice, Section, choices, page
from tests.claims.suite import ROOT

CHOICES = [choice for section in choices() for choice in section.rows]
OPTIONS = {name for _, name, _ in option_fields()}
PARAMETERS = {
    form
    for command in main.commands.values()
    for parameter in (*command.params, *command.get_params(click.Context(command)))
    if isinstance(parameter, click.Option)
    for form in (*parameter.opts, *parameter.secondary_opts)
} | {"--version"}


def test_every_option_that_is_named_exists() -> None:
    assert sorted({name for choice in CHOICES if not choice.later for name in choice.options} - OPTIONS) == []


def test_every_parameter_that_is_named_exists() -> None:
    assert sorted({name for choice in CHOICES for name in choice.parameters} - PARAMETERS) == []


def test_every_choice_has_one_answer() -> None:
    answered = [choice for choice in CHOICES if bool(choice.not_here) != bool(choice.options or choice.parameters or choice.ours)]
    assert [choice.theirs for choice in CHOICES if choice not in answered] == []


def test_what_is_to_come_names_what_it_will_be() -> None:
    assert [choice.theirs for choice in CHOICES if choice.later and not choice.options] == []


def test_no_choice_stands_twice_in_its_part() -> None:
    for section in choices():
        theirs = [choice.theirs for choice in section.rows]
        assert len(theirs) == len(set(theirs)), section.title


def test_every_answer_is_a_sentence_without_its_point() -> None:
    told = [text for choice in CHOICES for text in (choice.theirs, choice.ours, choice.not_here, choice.later) if text]
    assert [text for text in told if text.endswith(".") or text != text.strip() or "|" in text] == []


def test_the_page_is_up_to_date() -> None:
    assert (ROOT / "docs" / "reference" / "elsewhere.md").read_text() == page(choices()), "run `make docs`"


@pytest.mark.parametrize(
    ("choice", "status", "row"),
    [
        (Choice(theirs="`a`", options=("host", "port")), "option", "| `a` | `host`, `port` |"),
        (Choice(theirs="`a`", options=("host",), ours="Only so"), "option", "| `a` | `host`. Only so. |"),
        (Choice(theirs="`a`", parameters=("-q",)), "option", "| `a` | `-q` |"),
        (Choice(theirs="`a`", ours="By itself"), "other means", "| `a` | By itself. |"),
        (Choice(theirs="`a`", not_here="No need"), "not here", "| `a` | **Not here:** No need. |"),
        (Choice(theirs="`a`", options=("x",), later="TLS"), "later", "| `a` | `x`. **Later:** with TLS. |"),
        (Choice(theirs="`a`", options=("x",), ours="So", later="TLS"), "later", "| `a` | `x`. So. **Later:** with TLS. |"),
    ],
)
def test_a_row_shows_what_became_of_a_choice(choice: Choice, status: str, row: str) -> None:
    assert choice.status == status
    assert row in page((Section(title="A", rows=(choice,)),)).splitlines()
