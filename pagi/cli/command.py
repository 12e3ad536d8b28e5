"""The command's root: its subcommands and `--version`. What each of them does lives in its own file."""

import platform
from importlib.metadata import PackageNotFoundError, version

import click

from pagi.cli.check import check
from pagi.cli.dev import dev
from pagi.cli.routes import routes
from pagi.cli.run import run
from pagi.cli.status import status
from pagi.gateway.asgi import PAGI_VERSION

WORTH_NAMING = ("anyio", "h11", "h2", "wsproto", "msgspec", "uvloop", "trio", "websockets")
"""What a report of a mistake should name: what the server stands on."""


def _version_lines() -> str:
    """pagi and its Python, the agreement it keeps, and what is installed of that which it stands on."""
    python = f"{platform.python_implementation()} {platform.python_version()}, {platform.system()}"
    found = [f"{name} {installed}" for name in WORTH_NAMING if (installed := _installed(name)) is not None]
    return f"pagi {version('pagi-web')} ({python})\nagreement {PAGI_VERSION}, ASGI 3.0\n{', '.join(found)}"


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _show_version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        click.echo(_version_lines())
        ctx.exit()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_show_version, help="Print all versions and leave.")
def main() -> None:
    """pagi: a framework for HTTP, WebSocket and Server-Sent Events, and the server it runs on."""


main.add_command(run)
main.add_command(dev)
main.add_command(check)
main.add_command(routes)
main.add_command(status)
