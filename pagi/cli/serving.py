"""A worker of `pagi run` or `pagi dev`: a process for one version of the code. Its orders come through a channel, whose end ends it."""

import logging
import os
import signal
import socket
import sys
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
from pagi.server.process.certificates import Pair
from pagi.server.process.channel import Channel, Failed, Order, Orders
from pagi.server.process.daemon import let_streams_go
from pagi.server.process.exit_codes import EXIT_INTERRUPTED, EXIT_START, EXIT_USAGE
from pagi.server.process.log_lines import wants_colour
from pagi.server.process.logs import keep_logging, set_up_logging
from pagi.server.process.worker import end_with, leave_the_terminal_alone, work
from pagi.server.process.worker_process import OF_THE_TERMINAL
from pagi.server.server import Server

log = logging.getLogger("pagi.cli")


class Application(msgspec.Struct, frozen=True, kw_only=True):
    """Where a worker finds what it serves, and how it treats it."""

    app: str
    folder: str
    env_file: str | None
    pair: Pair | None = None
    """A certificate that is in no file."""
    arguments: list[str]
    """`sys.argv`, as the application may read it."""
    detaches: bool = False
    """Streams that lead to a terminal or a pipe are let go once it serves."""
    development: bool = False
    """Errors may be shown to whoever asks; what cannot be served is waited for."""
    is_first: bool = False
    """In development: nothing was served before, so an application that is not there is a slip of the command line."""
    problem: str | None = None
    """In development: why the application cannot be served; nothing of it is loaded then."""


def main() -> None:
    """Reads the orders from the channel, whose descriptor is the last argument, and follows them. Leaves the process."""
    try:
        code = _follow(_channel(int(sys.argv[-1])))
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    sys.exit(code)


def _channel(descriptor: int) -> Channel[Order]:
    os.set_inheritable(descriptor, False)
    return Channel[Order](socket.socket(fileno=descriptor), Order)


def _follow(channel: Channel[Order]) -> int:
    end_with(channel)
    orders = _first(channel)
    application = msgspec.json.decode(orders.application, type=Application)
    if application.development:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, OF_THE_TERMINAL)  # the code may wait for its developer: `breakpoint()`
    else:
        leave_the_terminal_alone()
    sys.argv[:] = application.arguments
    sockets = [socket.socket(fileno=descriptor) for descriptor in orders.sockets]
    for opened in sockets:
        opened.set_inheritable(False)
    put_on_path(Path(application.folder))
    try:
        set_up_logging(orders.options.logs)
    except ConfigError as error:
        if application.development:
            _complain("", str(error))
        else:
            channel.send(Failed(str(error), code=EXIT_USAGE))
        return EXIT_USAGE
    try:
        app = sorry(application.problem) if application.problem is not None else _loaded(application, orders.options.serve.interface)
    except (AppNotFound, AppFailed) as error:
        details = error.details if isinstance(error, AppFailed) else ""
        code = EXIT_START if isinstance(error, AppFailed) else EXIT_USAGE
        if not application.development:
            channel.send(Failed(str(error), details, code))
            return code
        _complain(details, str(error))
        if application.is_first and code == EXIT_USAGE:
            return code
        app = sorry(str(error), own_part(error.__cause__))

    server = Server(app, orders.options)
    server.pair = application.pair

    def ready() -> None:
        if application.development:
            log.info("listening on %s", ", ".join(server.addresses))
        if application.detaches:
            let_streams_go()

    return work(server, orders, sockets, channel, ready)


def _first(channel: Channel[Order]) -> Orders:
    heard: list[Order] = []
    while not heard and not channel.has_ended:
        channel.wait()
        heard = channel.receive()
    if not heard or not isinstance(heard[0], Orders):
        sys.exit(EXIT_INTERRUPTED)  # whoever started us is gone
    return heard[0]


def _loaded(application: Application, interface: str) -> AnyApp:
    """The application, ready to be served.

    Raises:
        AppNotFound: it is not there.
        AppFailed: its code failed, or its wiring is wrong.
    """
    try:
        if application.env_file is not None:
            load_env_file(Path(application.env_file))
        app = load_app(parse_target(application.app, Path(application.folder)), interface)
        if application.development:
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
