"""Flags are made from the option structs: every option has one, and none clashes with another."""

import re

import pytest

from pagi.cli.flags import ServerFlag, sections, server_flags
from pagi.server.options import option_fields

FLAGS = server_flags()


def test_every_option_has_a_flag() -> None:
    assert list(FLAGS) == [name for _, name, _ in option_fields()]


def test_every_option_stands_in_one_section() -> None:
    assert sorted(flag.name for _, flags in sections() for flag in flags) == sorted(FLAGS)


def test_every_section_has_a_title_of_its_own() -> None:
    titles = [title for title, _ in sections()]
    assert all(titles)
    assert len(set(titles)) == len(titles)


def test_no_two_options_share_a_spelling() -> None:
    spellings = [form for flag in FLAGS.values() for form in (*flag.environment, *flag.spelling.split("/"))]
    assert sorted(set(spellings)) == sorted(spellings)


@pytest.mark.parametrize("flag", FLAGS.values(), ids=lambda flag: flag.name)
def test_a_flag_is_spelled_as_flags_are(flag: ServerFlag) -> None:
    assert re.fullmatch(r"--[a-z][a-z0-9]*(-[a-z0-9]+)*", flag.flag)


@pytest.mark.parametrize("flag", FLAGS.values(), ids=lambda flag: flag.name)
def test_the_help_is_whole_sentences(flag: ServerFlag) -> None:
    assert flag.help.endswith(".")


@pytest.mark.parametrize("flag", FLAGS.values(), ids=lambda flag: flag.name)
def test_the_default_is_a_value_that_the_option_may_have(flag: ServerFlag) -> None:
    assert flag.check(flag.default) == flag.default


@pytest.mark.parametrize("flag", FLAGS.values(), ids=lambda flag: flag.name)
def test_the_default_survives_being_written_as_text(flag: ServerFlag) -> None:
    if flag.default is not None:
        assert flag.read(str(flag.default)) == flag.default


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("max_head_bytes", "BYTES"),
        ("head_seconds", "SECONDS"),
        ("max_fields", "NUMBER"),
        ("port", "NUMBER"),
        ("host", "TEXT"),
        ("uds", "TEXT"),
    ],
)
def test_the_unit_is_read_from_name_and_type(name: str, unit: str) -> None:
    assert FLAGS[name].unit == unit


@pytest.mark.parametrize(
    ("name", "shown"),
    [("port", "8000"), ("uds", "none"), ("root_path", "none"), ("max_head_bytes", "16 KiB"), ("early_hints", "off"), ("loop", "auto")],
)
def test_the_default_is_shown_in_words(name: str, shown: str) -> None:
    assert FLAGS[name].shown_default == shown
