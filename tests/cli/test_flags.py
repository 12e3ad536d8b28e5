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
        assert flag.read(flag.separator.join(flag.default) if flag.is_list else str(flag.default)) == flag.default


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("max_head_bytes", "BYTES"),
        ("head_seconds", "SECONDS"),
        ("max_fields", "NUMBER"),
        ("port", "NUMBER"),
        ("host", "TEXT"),
        ("uds", "TEXT"),
        ("fd", "NUMBER"),
        ("uds_mode", "MODE"),
        ("bind", "LIST"),
        ("access_log_file", "FILE"),
        ("extra_headers", "FIELD"),
    ],
)
def test_the_unit_is_read_from_name_and_type(name: str, unit: str) -> None:
    assert FLAGS[name].unit == unit


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("port", "8000"),
        ("uds", "none"),
        ("root_path", "none"),
        ("max_head_bytes", "16 KiB"),
        ("early_hints", "off"),
        ("loop", "auto"),
        ("bind", "none"),
        ("forwarded_fields", "for,proto"),
        ("lint", "auto"),
    ],
)
def test_the_default_is_shown_in_words(name: str, shown: str) -> None:
    assert FLAGS[name].shown_default == shown


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("bind", ":80, [::1]:81,,unix:/run/x", (":80", "[::1]:81", "unix:/run/x")),
        ("bind", "", ()),
        ("forwarded_fields", "for,host", ("for", "host")),
        ("uds_mode", "0o660", 0o660),
        ("uds_mode", "0660", 0o660),
        ("fd", "3", 3),
    ],
)
def test_lists_and_modes_are_read_from_text(name: str, text: str, value: object) -> None:
    assert FLAGS[name].read(text) == value


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("uds_mode", "660", "'660' is not a mode from 0o000 to 0o777, such as 0o660"),
        ("uds_mode", "0888", "'0888' is not a mode"),
        ("uds_mode", "0o1777", "'0o1777' is not a mode"),
        ("uds_mode", "rw", "'rw' is not a mode"),
        ("fd", "-1", "'-1' is not a whole number, 0 or more"),
        ("fd", "three", "'three' is not a whole number, 0 or more"),
        ("forwarded_fields", "for,port", "['for', 'port'] is not a list of some of for, proto, host, prefix"),
    ],
)
def test_what_is_no_mode_number_or_word_is_refused(name: str, text: str, wanted: str) -> None:
    with pytest.raises(ValueError) as caught:
        FLAGS[name].read(text)
    assert str(caught.value).startswith(wanted)


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("bind", [":80", ":81"], (":80", ":81")),
        ("bind", ":80,:81", (":80", ":81")),
        ("uds_mode", 0o600, 0o600),
        ("uds_mode", "0600", 0o600),
    ],
)
def test_a_file_may_give_lists_and_modes_as_such_or_as_text(name: str, value: object, read: object) -> None:
    assert FLAGS[name].check(value) == read
