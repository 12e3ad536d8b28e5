"""`pagi run`: which source wins, what reaches the server, and the exit code of every failure. The server is a fake."""

import logging
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from pagi.cli import main
from pagi.cli.flags import server_flags
from pagi.http.errors import ConfigError
from pagi.server.options import ServerOptions


class FakeServer:
    """Takes what the server would be given."""

    def __init__(self) -> None:
        self.app: Any = None
        self.options = ServerOptions()
        self.code = 0
        self.error: Exception | None = None

    def run(self, app: Any, options: ServerOptions) -> int:
        self.app, self.options = app, options
        if self.error is not None:
            raise self.error
        return self.code


@pytest.fixture
def server(folder: Path, monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    """Stands for the server that `pagi run` starts."""
    fake = FakeServer()
    monkeypatch.setattr("pagi.cli.run.serve", fake.run)
    return fake


def run(*args: str) -> Result:
    return CliRunner().invoke(main, ["run", *args])


# ---- what reaches the server


def test_the_application_is_served_with_the_defaults(raw_app: Path, server: FakeServer) -> None:
    assert run("main:app").exit_code == 0
    assert server.app is sys.modules["main"].app
    assert server.options == ServerOptions()


SAMPLES: dict[str, tuple[list[str], Any]] = {
    "host": (["--host", "::1"], "::1"),
    "port": (["--port", "0"], 0),
    "uds": (["--uds", "/run/x.sock"], "/run/x.sock"),
    "uds_mode": (["--uds-mode", "0o660"], 0o660),
    "fd": (["--fd", "3"], 3),
    "bind": (["--bind", ":80", "--bind", "[::1]:81,unix:/run/x"], (":80", "[::1]:81", "unix:/run/x")),
    "early_hints": (["--early-hints"], True),
    "access_log": (["--no-access-log"], False),
    "loop": (["--loop", "trio"], "trio"),
    "keep_alive_seconds": (["--timeout-keep-alive", "2.5"], 2.5),
    "high_water_bytes": (["--write-high-water", "131072"], 131072),
    "max_body_bytes": (["--limit-body-bytes", "1024"], 1024),
    "root_path": (["--root-path", ""], ""),
    "extra_headers": (["--header", "X-A: 1", "--header", "X-B: 2, 3"], ("X-A: 1", "X-B: 2, 3")),
    "lint": (["--no-lint"], False),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_a_flag_sets_its_option(name: str, raw_app: Path, server: FakeServer) -> None:
    args, value = SAMPLES[name]
    assert run("main:app", *args).exit_code == 0
    assert getattr(getattr(server.options, server_flags()[name].group), name) == value


def test_two_ways_to_say_where_to_listen_are_a_slip_of_the_command_line(raw_app: Path, server: FakeServer) -> None:
    result = run("main:app", "--bind", ":80", "--port", "81")
    assert result.exit_code == 2
    assert "bind and port both say where to listen" in result.output


def test_a_flag_that_says_where_to_listen_outdoes_the_platforms_port(
    raw_app: Path, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT", "8001")
    assert run("main:app", "--uds", "/run/x.sock").exit_code == 0
    assert server.options.listen.uds == "/run/x.sock"


def test_every_option_is_a_flag_of_the_command(raw_app: Path) -> None:
    command = main.commands["run"]
    offered = {form for parameter in command.params if isinstance(parameter, click.Option) for form in parameter.opts}
    assert {flag.flag for flag in server_flags().values()} <= offered


SOURCES: list[tuple[str, Callable[[Path, pytest.MonkeyPatch], list[str]]]] = [
    ("default", lambda folder, patch: []),
    ("pyproject", lambda folder, patch: _written(folder / "pyproject.toml", "[tool.pagi.server]\nport = 8001\n", [])),
    ("env-file", lambda folder, patch: _written(folder / "x.env", "PAGI_PORT=8002\n", ["--env-file", "x.env"])),
    ("environment", lambda folder, patch: _exported(patch, "PAGI_PORT", "8003")),
    ("flag", lambda folder, patch: ["--port", "8004"]),
]


def _written(path: Path, text: str, args: list[str]) -> list[str]:
    path.write_text(text)
    return args


def _exported(patch: pytest.MonkeyPatch, name: str, value: str) -> list[str]:
    patch.setenv(name, value)
    return []


@pytest.mark.parametrize("strength", range(len(SOURCES)), ids=[name for name, _ in SOURCES])
def test_a_source_outranks_all_weaker_ones(
    strength: int, folder: Path, raw_app: Path, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    args = [arg for _, prepare in SOURCES[: strength + 1] for arg in prepare(folder, monkeypatch)]
    assert run("main:app", *args).exit_code == 0
    assert server.options.listen.port == 8000 + strength


def test_a_switch_turned_off_by_flag_outranks_a_file_that_turns_it_on(folder: Path, raw_app: Path, server: FakeServer) -> None:
    (folder / "pyproject.toml").write_text("[tool.pagi.server]\nearly-hints = true\n")
    run("main:app", "--no-early-hints")
    assert server.options.http1.early_hints is False


def test_a_passphrase_as_a_flag_is_warned_of_and_not_repeated(raw_app: Path, server: FakeServer) -> None:
    result = run("main:app", "--ssl-keyfile-password", "sesame")
    assert server.options.tls.ssl_keyfile_password == "sesame"
    assert "whoever lists this machine's processes reads what --ssl-keyfile-password says" in result.stderr
    assert "sesame" not in result.output


def test_a_passphrase_in_the_environment_is_nothing_to_warn_of(raw_app: Path, server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGI_SSL_KEYFILE_PASSWORD", "sesame")
    result = run("main:app")
    assert server.options.tls.ssl_keyfile_password == "sesame"
    assert "processes" not in result.stderr


def test_the_application_sees_the_variables_of_the_file(folder: Path, server: FakeServer) -> None:
    (folder / "x.env").write_text("GREETING=hello\n")
    (folder / "main.py").write_text("import os\ngreeting = os.environ['GREETING']\nasync def app(scope, receive, send): ...\n")
    assert run("main:app", "--env-file", "x.env").exit_code == 0
    assert sys.modules["main"].greeting == "hello"


def test_the_settings_file_is_named_at_the_start(folder: Path, raw_app: Path, server: FakeServer) -> None:
    (folder / "pyproject.toml").write_text("[tool.pagi]\napp = 'main:app'\n")
    assert f"settings of {folder / 'pyproject.toml'}" in run().stderr


def test_the_application_may_come_from_the_settings_of_a_folder_above(
    folder: Path, raw_app: Path, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "pyproject.toml").write_text("[tool.pagi]\napp = 'main:app'\n")
    (folder / "deep").mkdir()
    monkeypatch.chdir(folder / "deep")
    assert run().exit_code == 0
    assert server.app is sys.modules["main"].app


@pytest.mark.parametrize("by_flag", [True, False], ids=["flag", "variable"])
def test_the_application_may_be_imported_from_another_folder(
    by_flag: bool, folder: Path, server: FakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "src").mkdir()
    (folder / "src" / "site2.py").write_text("async def app(scope, receive, send): ...\n")
    if not by_flag:
        monkeypatch.setenv("PAGI_APP_DIR", "src")
    assert run("site2:app", *(["--app-dir", "src"] if by_flag else [])).exit_code == 0
    assert server.app is sys.modules["site2"].app


# ---- exit codes


@pytest.mark.parametrize("code", [0, 1, 4])
def test_the_servers_exit_code_is_the_commands(code: int, raw_app: Path, server: FakeServer) -> None:
    server.code = code
    assert run("main:app").exit_code == code


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ([], "which application? There are three ways to name it: pagi run main:app"),
        (["nope:app"], "there is no module 'nope'"),
        (["main:ap"], "did you mean app?"),
        (["main:app", "--port", "65536"], "Invalid value for '--port': '65536' is not a whole number from 0 to 65535."),
        (["main:app", "--timeout-head", "nan"], "Invalid value for '--timeout-head': 'nan' is not a number of seconds, 0 or more."),
        (["main:app", "--loop", "gevent"], "'gevent' is not one of"),
        (["main:app", "--prot", "1"], "No such option"),
        (["main:app", "--write-low-water", "70000"], "low_water_bytes (70000) is over high_water_bytes (65536)"),
        (["main:app", "--env-file", "absent.env"], "absent.env: cannot be read"),
        (["main:app", "--app-dir", "absent"], "does not exist"),
    ],
)
def test_wrong_usage_is_exit_2_with_the_reason(args: list[str], message: str, raw_app: Path, server: FakeServer) -> None:
    result = run(*args)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())
    assert server.app is None


def test_a_bad_variable_is_exit_2(raw_app: Path, server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "eighty")
    result = run("main:app")
    assert result.exit_code == 2
    assert "environment variable PORT: 'eighty'" in result.stderr


def test_a_module_that_fails_is_exit_3_with_its_own_traceback(folder: Path, server: FakeServer) -> None:
    (folder / "main.py").write_text("1 / 0\n")
    result = run("main:app")
    assert result.exit_code == 3
    assert 'main.py", line 1' in result.stderr
    assert "pagi/cli" not in result.stderr
    assert result.stderr.rstrip().endswith("Error: main could not be imported: ZeroDivisionError: division by zero")


BUILDS = """
from pagi.gateway.marker import Marker
from pagi.http.errors import ConfigError

class App:
    def __init__(self):
        self.__pagi__ = Marker(self)
        self.is_built = False
    def build(self):
        {body}
    async def __call__(self, scope, receive, send): ...

app = App()
"""


def test_a_pagi_application_is_built_before_it_is_served(folder: Path, server: FakeServer) -> None:
    (folder / "main.py").write_text(BUILDS.format(body="self.is_built = True"))
    run("main:app")
    assert server.app.is_built is True


def test_a_build_that_is_refused_is_exit_3_without_a_traceback(folder: Path, server: FakeServer) -> None:
    (folder / "main.py").write_text(BUILDS.format(body="raise ConfigError('two routes for /a')"))
    result = run("main:app")
    assert result.exit_code == 3
    assert result.stderr == "Error: two routes for /a\n"
    assert server.app is None


def test_a_build_that_breaks_is_exit_3_with_a_traceback(folder: Path, server: FakeServer) -> None:
    (folder / "main.py").write_text(BUILDS.format(body="1 / 0"))
    result = run("main:app")
    assert result.exit_code == 3
    assert "in build" in result.stderr
    assert "pagi/cli" not in result.stderr
    assert result.stderr.splitlines()[-1] == "Error: the application could not be built: ZeroDivisionError: division by zero"


def test_a_foreign_applications_build_is_its_own_business(folder: Path, server: FakeServer) -> None:
    (folder / "main.py").write_text(BUILDS.format(body="1 / 0").replace("Marker(self)", "None"))
    assert run("main:app").exit_code == 0


def test_a_server_that_is_refused_its_settings_is_exit_3(raw_app: Path, server: FakeServer) -> None:
    server.error = ConfigError("uvloop is not installed: pip install 'pagi-web[speed]'")
    result = run("main:app")
    assert result.exit_code == 3
    assert result.stderr.splitlines()[-1] == "Error: uvloop is not installed: pip install 'pagi-web[speed]'"


# ---- logs


def test_what_is_served_is_told(raw_app: Path, server: FakeServer) -> None:
    assert f"INFO     pagi {version('pagi-web')} serves main:app: HTTP/1.1 and HTTP/2, on " in run("main:app").stderr.splitlines()[-1]


def test_quiet_is_errors_alone(raw_app: Path, server: FakeServer) -> None:
    for flag in ("-q", "--quiet"):
        result = run("main:app", flag)
        assert result.stderr == ""
        assert server.options.logs.log_level == "error"


def test_quiet_outranks_what_files_and_variables_say(raw_app: Path, server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGI_LOG_LEVEL", "debug")
    run("main:app", "-q")
    assert server.options.logs.log_level == "error"


@pytest.mark.parametrize("args", [["-q", "--log-level", "info"], ["--log-level", "info", "-q"]])
def test_quiet_and_a_level_are_one_word_too_many(args: list[str], raw_app: Path, server: FakeServer) -> None:
    result = run("main:app", *args)
    assert result.exit_code == 2
    assert "give one of them" in result.stderr


def test_a_log_setting_that_cannot_be_is_wrong_usage(folder: Path, raw_app: Path, server: FakeServer) -> None:
    for args, message in (
        (["--access-log-format", "jsno"], "there is no access log format 'jsno'; did you mean 'json'?"),
        (["--access-log-file", "nowhere/a.log"], "nowhere/a.log cannot be written: No such file or directory"),
        (["--log-config", "none.json"], "log config none.json: cannot be read"),
    ):
        result = run("main:app", *args)
        assert result.exit_code == 2
        assert message in result.stderr
    assert server.app is None


def test_a_log_handler_may_be_the_applications_own(folder: Path, server: FakeServer) -> None:
    (folder / "shop").mkdir()
    (folder / "shop" / "main.py").write_text("from handlers import lines\nasync def app(scope, receive, send): ...\n")
    (folder / "shop" / "handlers.py").write_text(
        "import logging\nlines = []\nclass Own(logging.Handler):\n    def emit(self, record): lines.append(record.getMessage())\n"
    )
    (folder / "log.toml").write_text('[handlers.own]\nclass = "handlers.Own"\n[loggers.pagi]\nlevel = "INFO"\nhandlers = ["own"]\n')
    (folder / "pyproject.toml").write_text("[tool.pagi]\n")
    assert run("main:app", "--app-dir", "shop", "--log-config", "log.toml").exit_code == 0
    assert any("settings of" in line for line in sys.modules["main"].lines)


def test_an_application_that_configures_logging_leaves_the_server_its_voice(folder: Path, server: FakeServer) -> None:
    (folder / "main.py").write_text(
        "import logging.config\nlogging.config.dictConfig({'version': 1})\nasync def app(scope, receive, send): ...\n"
    )
    assert run("main:app").exit_code == 0
    assert not logging.getLogger("pagi").disabled
    assert not logging.getLogger("pagi.access").disabled


# ---- help


def test_the_help_shows_every_option_with_its_default() -> None:
    text = " ".join(run("--help").output.split())
    for flag in server_flags().values():
        assert " / ".join(flag.spelling.split("/")) in text
        assert f"Default: {flag.shown_default}." in text


def test_the_help_groups_options_under_titles() -> None:
    assert "\nWhere the server listens:\n" in run("--help").output
