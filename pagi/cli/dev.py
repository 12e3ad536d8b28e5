"""`pagi dev`: the application as it is while it is being written. Served anew after each change, and open about its errors."""

import os
import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from pagi.cli.leaving import leave
from pagi.cli.load import Target
from pagi.cli.parameters import FailedStart, ServerCommand, app_parameters, server_parameters
from pagi.cli.serving import Orders
from pagi.cli.start import allow_debugging, begin_logging, build, find_target, load, read_settings
from pagi.cli.supervisor import Supervisor, say
from pagi.cli.watching import USUAL, Watch, changes, demand_watchfiles
from pagi.http.errors import ConfigError
from pagi.server import ServerOptions
from pagi.server import run as serve
from pagi.server.options import LogOptions
from pagi.server.process.listeners import address_of, open_listeners
from pagi.server.process.logs import set_up_logging
from pagi.server.process.run import choose_loop

GRACE_SECONDS = 1.0
"""From the closing signal until what is open is cut: nobody waits longer for a reload."""
KILL_SECONDS = 1.0
"""After that, until a process that does not end is killed."""

ABOUT = """Serve APP while it is being written: each change of its code is served at once, errors are shown in full.

APP is named as for `pagi run`. While the new code is being loaded, clients wait and are not refused; if it fails, the error is shown here
and in the browser until the next change. Error pages with source and variables go only to a browser on this machine.
"""
SOURCES = """The server's options come from the same sources as for `pagi run`, and mean the same; but --timeout-graceful-shutdown counts
only as a flag, and is 1 s without one.

Exit codes: 0 stopped, 1 failed while running, 2 wrong usage, 3 could not start.
"""


def _dev(
    app: str | None,
    app_dir: Path | None,
    env_file: Path | None,
    reload: bool,
    reload_dir: tuple[Path, ...],
    reload_include: tuple[str, ...],
    reload_exclude: tuple[str, ...],
    **flags: Any,
) -> None:
    # The child reads the file itself, each time anew: a variable that we had taken from it would outrank it.
    environment = dict(os.environ)
    if flags["graceful_seconds"] is None:
        flags["graceful_seconds"] = GRACE_SECONDS
    settings = read_settings(env_file, flags)
    target = find_target(app, app_dir, settings.project)
    options = _for_development(settings.options)
    if not reload:
        begin_logging(options, target)
        leave(_serve_once(target, options))
    # Files and handlers of the application's own are for the process that serves.
    set_up_logging(LogOptions(log_level=options.logs.log_level, use_colors=options.logs.use_colors))
    folders = tuple(dict.fromkeys(path.resolve() for path in reload_dir)) or _usual_folders(target)
    also = (env_file.resolve(),) if env_file is not None else ()
    watch = Watch(folders=folders, include=reload_include, exclude=reload_exclude, also=also)
    try:
        demand_watchfiles()
        choose_loop(options.serve.loop)
        code = _supervise(target, options, watch, env_file, environment)
    except ConfigError as error:
        raise FailedStart(str(error)) from error
    click.get_current_context().exit(code)


def _for_development(options: ServerOptions) -> ServerOptions:
    """What no source has decided, as one wants it while an application is being written."""
    if options.serve.lint is not None:
        return options
    return msgspec.structs.replace(options, serve=msgspec.structs.replace(options.serve, lint=True))


def _serve_once(target: Target, options: ServerOptions) -> int:
    app = load(target, options)
    allow_debugging(app)
    build(app)
    try:
        return serve(app, options)
    except ConfigError as error:
        raise FailedStart(str(error)) from error


def _supervise(target: Target, options: ServerOptions, watch: Watch, env_file: Path | None, environment: dict[str, str]) -> int:
    listeners = open_listeners(options.listen, environment)
    sockets = listeners.sockets
    try:
        grace_seconds = options.timeouts.graceful_seconds + KILL_SECONDS
        orders = Orders(
            app=_address(target),
            folder=str(target.folder),
            env_file=str(env_file) if env_file is not None else None,
            options=options,
            sockets=[opened.fileno() for opened in sockets],
            grace_seconds=grace_seconds,
            arguments=sys.argv,
        )
        supervisor = Supervisor(orders, sockets, environment, grace_seconds)
        say(f"pagi dev {target}", bold=True)
        say(f"  {', '.join(map(address_of, sockets))}", fg="cyan", bold=True)
        say(f"  watching {' '.join((*USUAL, *watch.include))} in {', '.join(map(str, watch.folders))}; Ctrl-C ends it")
        return supervisor.run(changes(watch, supervisor.stop))
    finally:
        listeners.close()


def _address(target: Target) -> str:
    """The target as text that leads to it again from its folder."""
    place = str(target.file) if target.file is not None else target.module
    return f"{place}:{target.attribute}" if target.attribute else place


def _usual_folders(target: Target) -> tuple[Path, ...]:
    """The current folder; that of the application too, where it is another."""
    here = Path.cwd()
    return (here,) if target.folder.is_relative_to(here) else (here, target.folder)


dev = ServerCommand(
    "dev",
    help=ABOUT,
    epilog=SOURCES,
    callback=_dev,
    params=[
        *app_parameters(),
        click.Option(["--reload/--no-reload"], default=True, help="Serve each change of the code, or only what is there now. Default: on."),
        click.Option(
            ["--reload-dir"],
            type=click.Path(exists=True, file_okay=False, path_type=Path),
            multiple=True,
            help="Folder to watch, with all below it. May be given again. Default: this one, and that of APP.",
        ),
        click.Option(
            ["--reload-include"],
            multiple=True,
            metavar="PATTERN",
            help=f"Files to watch besides {' '.join(USUAL)}, such as '*.html'. May be given again.",
        ),
        click.Option(
            ["--reload-exclude"],
            multiple=True,
            metavar="PATTERN",
            help="Files or folders to leave alone, such as 'tests'. May be given again.",
        ),
        *server_parameters(),
    ],
)
