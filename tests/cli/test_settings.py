"""Settings: what each source may say, and how a refusal names it."""

import os
from pathlib import Path

import pytest

from pagi.cli.settings import SettingRefused, environment_options, find_project, load_env_file, merged, read_env_file


def project_options(folder: Path, text: str) -> dict[str, object]:
    (folder / "pyproject.toml").write_text(text)
    project = find_project(folder)
    assert project is not None
    return dict(project.options)


def file_refusal(folder: Path, text: str) -> str:
    (folder / "pyproject.toml").write_text(text)
    with pytest.raises(SettingRefused) as caught:
        find_project(folder)
    assert str(folder / "pyproject.toml") in caught.value.source
    return str(caught.value).removeprefix(str(folder / "pyproject.toml")).strip()


# ---- pyproject.toml


def test_options_are_read_by_the_flags_words(folder: Path) -> None:
    text = "[tool.pagi.server]\nport = 80\ntimeout-keep-alive = 2\naccess-log = false\nloop = 'trio'\nuds = '/run/x'\n"
    expected = {"port": 80, "keep_alive_seconds": 2.0, "access_log": False, "loop": "trio", "uds": "/run/x"}
    assert project_options(folder, text) == expected


def test_an_underscore_does_for_a_dash(folder: Path) -> None:
    assert project_options(folder, "[tool.pagi.server]\nlimit_head_bytes = 1\n") == {"max_head_bytes": 1}


def test_the_application_is_named_beside_the_options(folder: Path) -> None:
    (folder / "pyproject.toml").write_text("[tool.pagi]\napp = 'main:app'\n")
    project = find_project(folder)
    assert project is not None
    assert (project.app, project.path) == ("main:app", folder / "pyproject.toml")


def test_the_nearest_file_above_that_speaks_of_pagi_counts(folder: Path) -> None:
    inner = folder / "a" / "b"
    inner.mkdir(parents=True)
    (folder / "pyproject.toml").write_text("[tool.pagi]\napp = 'far:app'\n")
    (folder / "a" / "pyproject.toml").write_text("[tool.pagi]\napp = 'near:app'\n")
    (inner / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    project = find_project(inner)
    assert project is not None
    assert project.app == "near:app"


def test_without_a_file_there_is_no_project(folder: Path) -> None:
    assert find_project(folder) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[tool.pagi.server]\nport = '80'\n", "[tool.pagi.server] port: '80' is not a whole number from 0 to 65535"),
        ("[tool.pagi.server]\nport = true\n", "[tool.pagi.server] port: True is not a whole number from 0 to 65535"),
        ("[tool.pagi.server]\naccess-log = 1\n", "[tool.pagi.server] access-log: 1 is not on or off"),
        ("[tool.pagi.server]\nhost = 1\n", "[tool.pagi.server] host: 1 is not text"),
        ("[tool.pagi.server]\nssl-keyfile-password = 1234\n", "[tool.pagi.server] ssl-keyfile-password: it is not text"),
        ("[tool.pagi.server]\ntimeout-head = nan\n", "[tool.pagi.server] timeout-head: nan is not a number of seconds, 0 or more"),
        ("[tool.pagi.server]\ntimeout-head = inf\n", "[tool.pagi.server] timeout-head: inf is not a number of seconds, 0 or more"),
        ("[tool.pagi.server]\nloop = 'gevent'\n", "[tool.pagi.server] loop: 'gevent' is not one of auto, uvloop, asyncio, trio"),
        ("[tool.pagi.server]\nprot = 1\n", "[tool.pagi.server]: there is no option 'prot'; did you mean 'port'?"),
        ("[tool.pagi.server]\nzzz = 1\n", "[tool.pagi.server]: there is no option 'zzz'; `pagi run --help` lists them all"),
        (
            "[tool.pagi.server]\nkeep_alive_seconds = 1\n",
            "[tool.pagi.server]: there is no option 'keep_alive_seconds'; as a setting it is spelled 'timeout-keep-alive'",
        ),
        (
            "[tool.pagi.server]\nroot-path = ''\nroot_path = ''\n",
            "[tool.pagi.server]: root-path is given twice, with a dash and with an underscore",
        ),
        ("[tool.pagi]\nserver = 1\n", "[tool.pagi] server: is not a table"),
        ("[tool]\npagi = 1\n", "[tool.pagi]: is not a table"),
        ("[tool.pagi]\napp = 1\n", "[tool.pagi] app: 1 is not text such as 'main:app'"),
        ("[tool.pagi]\nap = 'main'\n", "[tool.pagi]: there is no setting 'ap'; there is app and server"),
        ("[tool.pagi\n", ": cannot be read: Expected ']'"),
    ],
)
def test_what_the_file_may_not_say_is_refused_by_its_place(folder: Path, text: str, message: str) -> None:
    assert file_refusal(folder, text).startswith(message)


# ---- the environment


def test_our_own_variable_outranks_the_platforms() -> None:
    assert environment_options({"PORT": "1", "PAGI_PORT": "2"}) == {"port": 2}


def test_each_line_of_a_variable_is_one_of_a_list() -> None:
    assert environment_options({"PAGI_HEADER": "X-A: 1\n  X-B: 2, 3\n\n"}) == {"extra_headers": ("X-A: 1", "X-B: 2, 3")}


def test_a_list_of_a_file_is_a_list(folder: Path) -> None:
    assert project_options(folder, '[tool.pagi.server]\nheader = ["X-A: 1", "X-B: 2"]\n') == {"extra_headers": ("X-A: 1", "X-B: 2")}


def test_a_list_of_one_may_be_a_text(folder: Path) -> None:
    assert project_options(folder, '[tool.pagi.server]\nheader = "X-A: 1, 2"\n') == {"extra_headers": ("X-A: 1, 2",)}


@pytest.mark.parametrize(("text", "value"), [("on", True), ("off", False)])
def test_a_switch_that_decides_for_itself_may_be_told(text: str, value: bool) -> None:
    assert environment_options({"PAGI_LINT": text, "PAGI_USE_COLORS": text}) == {"lint": value, "use_colors": value}


def test_an_empty_variable_counts_as_absent() -> None:
    assert environment_options({"PAGI_PORT": "", "PORT": "3", "PAGI_HOST": ""}) == {"port": 3}


@pytest.mark.parametrize(
    ("text", "value"),
    [("1", True), ("true", True), ("Yes", True), ("ON", True), ("0", False), ("False", False), ("no", False), ("off", False)],
)
def test_a_switch_is_read_from_a_word(text: str, value: bool) -> None:
    assert environment_options({"PAGI_ACCESS_LOG": text}) == {"access_log": value}


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        ("PORT", "tcp://10.0.0.1:80", "environment variable PORT: 'tcp://10.0.0.1:80' is not a whole number from 0 to 65535"),
        ("PAGI_PORT", "65536", "environment variable PAGI_PORT: '65536' is not a whole number from 0 to 65535"),
        ("PAGI_ACCESS_LOG", "maybe", "environment variable PAGI_ACCESS_LOG: 'maybe' is not on or off"),
        ("PAGI_TIMEOUT_HEAD", "nan", "environment variable PAGI_TIMEOUT_HEAD: 'nan' is not a number of seconds, 0 or more"),
        ("PAGI_TIMEOUT_HEAD", "inf", "environment variable PAGI_TIMEOUT_HEAD: 'inf' is not a number of seconds, 0 or more"),
        ("PAGI_WS_MAX_SIZE", "-1", "environment variable PAGI_WS_MAX_SIZE: '-1' is not a whole number of bytes, 0 or more"),
        ("PAGI_LIFESPAN", "maybe", "environment variable PAGI_LIFESPAN: 'maybe' is not one of auto, on, off"),
    ],
)
def test_a_variable_that_cannot_be_is_refused_by_name(variable: str, text: str, message: str) -> None:
    with pytest.raises(SettingRefused) as caught:
        environment_options({variable: text})
    assert str(caught.value) == message


# ---- --env-file


def test_a_file_of_variables_is_taken_literally(folder: Path) -> None:
    path = folder / "prod.env"
    path.write_text("# comment\n\nA=1\n B = two words \nC=$A ${A} `id` #kept\nD='a \"b\"'\nE=\nF=x=y\nA=3\r\n")
    assert read_env_file(path) == {"A": "3", "B": "two words", "C": "$A ${A} `id` #kept", "D": 'a "b"', "E": "", "F": "x=y"}


def test_variables_of_the_file_reach_the_process(folder: Path) -> None:
    (folder / "e").write_text("PAGI_TEST_FRESH=1\n")
    load_env_file(folder / "e")
    assert os.environ["PAGI_TEST_FRESH"] == "1"


def test_a_variable_that_is_already_there_wins(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGI_TEST_TAKEN", "environment")
    (folder / "e").write_text("PAGI_TEST_TAKEN=file\n")
    load_env_file(folder / "e")
    assert os.environ["PAGI_TEST_TAKEN"] == "environment"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"A=1\nnonsense\n", "line 2: 'nonsense' is not KEY=VALUE"),
        (b"=1\n", "line 1: '=1' is not KEY=VALUE"),
        (b"A B=1\n", "line 1: 'A B=1' is not KEY=VALUE"),
        (b"export A=1\n", "line 1: this is no shell script: drop the word `export`"),
        (b"A=\0\n", "line 1: a variable cannot hold a NUL"),
        (b"A=\xff\n", ": cannot be read: 'utf-8' codec"),
    ],
)
def test_a_line_that_is_no_variable_is_refused_by_number(folder: Path, content: bytes, message: str) -> None:
    path = folder / "bad.env"
    path.write_bytes(content)
    with pytest.raises(SettingRefused) as caught:
        read_env_file(path)
    assert str(caught.value).removeprefix(str(path)).lstrip().startswith(message)


def test_a_file_that_is_not_there_is_refused(folder: Path) -> None:
    with pytest.raises(SettingRefused, match="cannot be read"):
        read_env_file(folder / "absent.env")


# ---- where to listen


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ([{"uds": "/x"}, {"port": 1}], {"port": 1}),
        ([{"host": "::1"}, {"port": 1}], {"host": "::1", "port": 1}),
        ([{"host": "::1", "port": 2, "backlog": 5}, {"bind": (":1",)}], {"backlog": 5, "bind": (":1",)}),
        ([{"bind": (":1",)}, {"port": 1}, {"fd": 3}], {"fd": 3}),
        ([{"bind": (":1",)}, {"backlog": 5}], {"bind": (":1",), "backlog": 5}),
        ([{"bind": (":1",), "port": 2}], {"bind": (":1",), "port": 2}),
    ],
)
def test_who_says_where_to_listen_outdoes_weaker_sources_that_say_it_in_another_way(
    sources: list[dict[str, object]], expected: dict[str, object]
) -> None:
    assert merged(*sources) == expected
