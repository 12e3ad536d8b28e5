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
from pagi.cli.programs import worker_program
from pagi.cli.reloading import Reloader, say
from pagi.cli.serving import Application
from pagi.cli.start import allow_debugging, begin_logging, build, find_target, load, read_settings
from pagi.cli.throwaway import Throwaway, throwaway
from pagi.cli.watching import USUAL, Watch, changes, demand_watchfiles
from pagi.http.errors import ConfigError
from pagi.server import ServerOptions
from pagi.server import run as serve
from pagi.server.options import LogOptions
from pagi.server.process.listeners import address_of, open_listeners
from pagi.server.process.logs import set_up_logging
from pagi.server.process.run import choose_loop
from pagi.server.process.tls import tls_of
from pagi.server.process.worker_process import Program

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
    tls_dev: bool,
    **flags: Any,
) -> None:
    # The child reads the file itself, each time anew: a variable that we had taken from it would outrank it.
    environment = dict(os.environ)
    if flags["graceful_seconds"] is None:
        flags["graceful_seconds"] = GRACE_SECONDS
    settings = read_settings(env_file, flags)
    target = find_target(app, app_dir, settings.project)
    options = _for_development(settings.options)
    own = _own_certificate(options, flags) if tls_dev else None
    if not reload:
        begin_logging(options, target)
        leave(_serve_once(target, options, own))
    # Files and handlers of the application's own are for the process that serves.
    set_up_logging(LogOptions(log_level=options.logs.log_level, use_colors=options.logs.use_colors))
    folders = tuple(dict.fromkeys(path.resolve() for path in reload_dir)) or _usual_folders(target)
    also = (env_file.resolve(),) if env_file is not None else ()
    watch = Watch(folders=folders, include=reload_include, exclude=reload_exclude, also=also)
    try:
        demand_watchfiles()
        choose_loop(options.serve.loop)
        code = _reload(target, options, watch, env_file, environment, own)
    except ConfigError as error:
        raise FailedStart(str(error)) from error
    click.get_current_context().exit(code)


def _for_development(options: ServerOptions) -> ServerOptions:
    """What production has no use for: one process, which is told of changes, and lint, unless a source has declined it."""
    serve = options.serve if options.serve.lint is not None else msgspec.structs.replace(options.serve, lint=True)
    return msgspec.structs.replace(options, serve=serve, processes=options.processes.of_one())


def _own_certificate(options: ServerOptions, flags: dict[str, Any]) -> Throwaway:
    if flags["ssl_certfile"] is not None or flags["ssl_keyfile"] is not None:
        raise click.UsageError("--tls-dev makes a certificate of its own: leave out --ssl-certfile and --ssl-keyfile, or --tls-dev.")
    try:
        return throwaway(options.listen.host)
    except ConfigError as error:
        raise FailedStart(str(error)) from error


def _serve_once(target: Target, options: ServerOptions, own: Throwaway | None) -> int:
    app = load(target, options)
    allow_debugging(app)
    build(app)
    if own is not None:
        _tell(own)
    try:
        return serve(app, options, pair=own.pair if own is not None else None)
    except ConfigError as error:
        raise FailedStart(str(error)) from error


def _reload(
    target: Target, options: ServerOptions, watch: Watch, env_file: Path | None, environment: dict[str, str], own: Throwaway | None
) -> int:
    pair = own.pair if own is not None else None
    scheme = "http" if tls_of(options.tls, pair, protocols=[]) is None else "https"  # what is wrong with it is told before anything runs
    listeners = open_listeners(options.listen, environment)
    sockets = listeners.sockets
    try:
        application = Application(
            app=str(target),
            folder=str(target.folder),
            env_file=str(env_file) if env_file is not None else None,
            pair=pair,
            arguments=sys.argv,
            development=True,
            is_first=True,
        )
        program = Program(command=worker_program(), environment=environment)
        reloader = Reloader(application, options, sockets, program, options.timeouts.graceful_seconds + KILL_SECONDS)
        say(f"pagi dev {target}", bold=True)
        say(f"  {', '.join(address_of(opened, scheme) for opened in sockets)}", fg="cyan", bold=True)
        if own is not None:
            _tell(own)
        say(f"  watching {' '.join((*USUAL, *watch.include))} in {', '.join(map(str, watch.folders))}; Ctrl-C ends it")
        return reloader.run(changes(watch, reloader.stop))
    finally:
        listeners.close()


def _tell(own: Throwaway) -> None:
    say(f"  throw-away certificate until {own.not_after:%Y-%m-%d}, SHA-256 {own.fingerprint}")


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
        click.Option(
            ["--tls-dev"],
            is_flag=True,
            help="Serve https with a certificate made for this run, its key in memory alone. Browsers warn; its fingerprint is shown.",
        ),
        *server_parameters(),
    ],
)
