"""The serving half of `pagi dev`: a process for one version of the code. Its orders come through a pipe, whose end ends it."""

import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path

import click
import msgspec

from pagi.cli.load import AppFailed, AppNotFound, in_application, load_app, own_part, parse_target, put_on_path
from pagi.cli.settings import load_env_file
from pagi.cli.sorry import sorry
from pagi.cli.start import allow_debugging
from pagi.gateway.marker import is_pagi
from pagi.gateway.types import AnyApp
from pagi.http.errors import ConfigError
from pagi.server import ServerOptions
from pagi.server import run as serve
from pagi.server.process.log_lines import wants_colour
from pagi.server.process.logs import keep_logging, set_up_logging

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130
EXIT_CUT = 4


class Orders(msgspec.Struct, frozen=True, kw_only=True):
    """What one process is to serve, and how."""

    app: str
    folder: str
    env_file: str | None
    options: ServerOptions
    sockets: list[int]
    """Descriptors that listen."""
    grace_seconds: float
    """From the pipe's end until this process leaves, whatever is still running."""
    arguments: list[str]
    """`sys.argv`, as the application may read it."""
    is_first: bool = True
    """Nothing was served before: an application that is not there is a slip of the command line, and no work in progress."""
    problem: str | None = None
    """Why the application cannot be served; nothing of it is loaded then."""


def main(pipe: int) -> None:
    """Reads the orders from the descriptor `pipe` and follows them. Leaves the process."""
    try:
        os.set_inheritable(pipe, False)
        orders = msgspec.json.decode(_line(pipe), type=Orders)
        threading.Thread(target=_end_with, args=(pipe, orders.grace_seconds), daemon=True).start()
        sys.argv[:] = orders.arguments
        code = _follow(orders)
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    sys.exit(code)


def _line(pipe: int) -> bytes:
    data = b""
    while not data.endswith(b"\n"):
        more = os.read(pipe, 65536)
        if not more:
            sys.exit(EXIT_INTERRUPTED)  # whoever started us is gone
        data += more
    return data


def _end_with(pipe: int, grace_seconds: float) -> None:
    """Waits for the end of the pipe: we are to be replaced, or who started us was killed."""
    while os.read(pipe, 64):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(grace_seconds)
    os._exit(EXIT_CUT)


def _follow(orders: Orders) -> int:
    sockets = [socket.socket(fileno=descriptor) for descriptor in orders.sockets]
    for opened in sockets:
        opened.set_inheritable(False)
    put_on_path(Path(orders.folder))
    try:
        set_up_logging(orders.options.logs)
    except ConfigError as error:
        _complain("", str(error))
        return EXIT_USAGE
    try:
        app = sorry(orders.problem) if orders.problem is not None else _loaded(orders)
    except AppNotFound as error:
        _complain("", str(error))
        if orders.is_first:
            return EXIT_USAGE
        app = sorry(str(error))
    except AppFailed as error:
        _complain(error.details, str(error))
        app = sorry(str(error), own_part(error.__cause__))
    return serve(app, orders.options, sockets)


def _loaded(orders: Orders) -> AnyApp:
    """The application, ready to be served.

    Raises:
        AppNotFound: it is not there.
        AppFailed: its code failed, or its wiring is wrong.
    """
    try:
        if orders.env_file is not None:
            load_env_file(Path(orders.env_file))
        app = load_app(parse_target(orders.app, Path(orders.folder)), orders.options.serve.interface)
        allow_debugging(app)
        build = getattr(app, "build", None)
        if build is not None and is_pagi(app):
            build()
    except (AppNotFound, AppFailed):
        raise
    except ConfigError as error:
        raise AppFailed(str(error)) from error
    except Exception as error:
        raise AppFailed(f"the application could not be built: {type(error).__name__}: {error}", in_application(error)) from error
    finally:
        keep_logging()
    return app


def _complain(details: str, message: str) -> None:
    colour = wants_colour(sys.stderr)
    if details:
        click.echo(details, err=True, color=colour)
    click.echo(click.style(f"Error: {message}", fg="red"), err=True, color=colour)
    click.echo("waiting for a change", err=True, color=colour)
