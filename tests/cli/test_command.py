"""The command itself: its version, its help, and `python -m pagi`."""

import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from click.testing import CliRunner

from pagi.cli import main

ROOT = Path(__file__).parents[2]


def test_the_version_names_pagi_and_its_python() -> None:
    result = CliRunner().invoke(main, ["--version"])
    assert result.exit_code == 0
    assert result.output.startswith(f"pagi {version('pagi-web')} (")
    assert f" {platform.python_version()}, " in result.output


def test_the_help_lists_the_subcommands() -> None:
    assert "\n  run " in CliRunner().invoke(main, ["-h"]).output


def test_an_unknown_subcommand_is_wrong_usage() -> None:
    assert CliRunner().invoke(main, ["rnu"]).exit_code == 2


def test_the_package_can_be_run_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "pagi", "--version"], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 0
    assert done.stdout.startswith("pagi ")
