"""The command itself: its version, its help, and `python -m pagi`."""

import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from click.testing import CliRunner

from pagi.cli import main
from pagi.gateway import PAGI_VERSION

ROOT = Path(__file__).parents[2]


def test_the_version_names_pagi_and_its_python() -> None:
    result = CliRunner().invoke(main, ["--version"])
    assert result.exit_code == 0
    assert result.output.startswith(f"pagi {version('pagi-web')} (")
    assert f" {platform.python_version()}, " in result.output


def test_the_version_names_the_agreement_and_what_the_server_stands_on() -> None:
    lines = CliRunner().invoke(main, ["--version"]).output.splitlines()
    assert lines[1] == f"agreement {PAGI_VERSION}, ASGI 3.0"
    assert f"h11 {version('h11')}" in lines[2].split(", ")


def test_what_is_not_installed_is_not_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pagi.cli.command.WORTH_NAMING", ("h11", "no-such-package"))
    assert CliRunner().invoke(main, ["--version"]).output.splitlines()[2] == f"h11 {version('h11')}"


def test_the_help_lists_the_subcommands() -> None:
    assert "\n  run " in CliRunner().invoke(main, ["-h"]).output


def test_an_unknown_subcommand_is_wrong_usage() -> None:
    assert CliRunner().invoke(main, ["rnu"]).exit_code == 2


def test_the_package_can_be_run_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "pagi", "--version"], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 0
    assert done.stdout.startswith("pagi ")
