"""The command's root: its subcommands and `--version`. What each of them does lives in its own file."""

import platform
from importlib.metadata import version

import click

from pagi.cli.check import check
from pagi.cli.dev import dev
from pagi.cli.routes import routes
from pagi.cli.run import run
from pagi.cli.status import status


def _version_line() -> str:
    return f"pagi {version('pagi-web')} ({platform.python_implementation()} {platform.python_version()}, {platform.system()})"


def _show_version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(_version_line())
        ctx.exit()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_show_version, help="Print the version and leave.")
def main() -> None:
    """pagi: a framework for HTTP, WebSocket and Server-Sent Events, and the server it runs on."""


main.add_command(run)
main.add_command(dev)
main.add_command(check)
main.add_command(routes)
main.add_command(status)
