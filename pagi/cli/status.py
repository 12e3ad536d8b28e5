"""`pagi status`: what a running server is doing, asked through its control socket."""

import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

import click
import msgspec

from pagi.cli.settings import environment_options, find_project
from pagi.cli.status_table import render_status
from pagi.http.errors import ConfigError
from pagi.server.figures import ProcessReport
from pagi.server.process.log_lines import wants_colour

ABOUT = """Show what a running server is doing: its processes, its open requests, streams and WebSockets, and what ended early.

SOCKET is the server's --control-socket; left out, it is the one that PAGI_CONTROL_SOCKET or pyproject.toml names. Only the user that
runs the server, and root, may ask. Queries are never shown.
"""
CODES = "Exit codes: 0 it answered, 1 it did not, 2 wrong usage."
ANSWER_SECONDS = 10.0


def _status(path: Path | None, as_json: bool, most: int, watch: float | None) -> None:
    place = path or _named()
    while True:
        answer = _ask(place)
        if as_json:
            click.echo(msgspec.json.format(answer, indent=2 if sys.stdout.isatty() else -1).decode())
        else:
            table = render_status(msgspec.json.decode(answer, type=list[ProcessReport]), most, wants_colour(sys.stdout))
            if watch is not None and sys.stdout.isatty():
                click.clear()
            click.echo(table)
        if watch is None:
            return
        time.sleep(watch)


def _named() -> Path:
    """The control socket that the settings name.

    Raises:
        UsageError: none does.
    """

    project = find_project(Path.cwd())
    try:
        options: dict[str, Any] = {**(project.options if project else {}), **environment_options(os.environ)}
    except ConfigError as error:
        raise click.UsageError(str(error)) from error
    if not options.get("control_socket"):
        raise click.UsageError("which server? Give the path of its --control-socket, such as run/pagi.sock")
    return Path(options["control_socket"])


def _ask(path: Path) -> bytes:
    """The answer of the server that listens at `path`.

    Raises:
        ClickException: nobody is there, or nobody answers in time.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(ANSWER_SECONDS)
        try:
            asking.connect(str(path))
            asking.sendall(b"status\n")
            answer = b""
            while data := asking.recv(65536):
                answer += data
        except TimeoutError as error:
            raise click.ClickException(f"the server at {path} did not answer within {ANSWER_SECONDS:g} s") from error
        except OSError as error:
            raise click.ClickException(
                f"nobody answers at {path}: {error.strerror}; is the server running with this --control-socket?"
            ) from error
    if not answer:
        raise click.ClickException(f"the server at {path} closed without an answer: it runs as another user")
    return answer


status = click.Command(
    "status",
    help=ABOUT,
    epilog=CODES,
    callback=_status,
    params=[
        click.Argument(["path"], metavar="[SOCKET]", required=False, type=click.Path(path_type=Path)),
        click.Option(["--json", "as_json"], is_flag=True, help="As JSON, for programs."),
        click.Option(["--most"], type=click.IntRange(0), default=20, help="Rows of open and of ended exchanges. Default: 20."),
        click.Option(["--watch"], type=click.FloatRange(0.1), metavar="SECONDS", help="Ask again and again. Ctrl-C ends it."),
    ],
)
