"""`pagi run`: settings from every source, the application, and the server that serves it."""

import logging
import os
from pathlib import Path
from typing import Any

from pagi.cli.banner import banner
from pagi.cli.launching import become_supervisor
from pagi.cli.leaving import leave
from pagi.cli.parameters import FailedStart, ServerCommand, app_parameters, server_parameters
from pagi.cli.start import begin_logging, build, find_target, load, read_settings
from pagi.gateway.types import AnyApp
from pagi.http.errors import ConfigError
from pagi.server import ServerOptions
from pagi.server import run as serve
from pagi.server.process.replacing import is_successor
from pagi.server.process.run import obey_umask

ABOUT = """Serve APP until it is told to stop.

APP is module:attribute, a module (its app, application or create_app), or a file (app.py, app.py:attribute). Left out, it is
`app` of [tool.pagi] in the pyproject.toml of this folder or above.
"""
SOURCES = """Each server option is also an environment variable (--timeout-keep-alive: PAGI_TIMEOUT_KEEP_ALIVE) and a key of
[tool.pagi.server] in pyproject.toml (timeout-keep-alive). A flag wins over the environment, that over --env-file, that over
pyproject.toml. PORT is read like PAGI_PORT, and WEB_CONCURRENCY like PAGI_WORKERS.

Exit codes: 0 stopped cleanly, 1 failed while running, 2 wrong usage, 3 could not start, 4 work was cut at the deadline.
"""

log = logging.getLogger("pagi.cli")


def _run(app: str | None, app_dir: Path | None, env_file: Path | None, **flags: Any) -> None:
    environment = dict(os.environ)  # without the file: workers read it themselves, each time anew
    settings = read_settings(env_file, flags)
    target = find_target(app, app_dir, settings.project)
    begin_logging(settings.options, target)
    if settings.project is not None:
        log.info("settings of %s", settings.project.path)
    if settings.options.processes.is_supervised or is_successor(environment):
        log.info("%s", banner(target, settings.options))
        try:
            become_supervisor(target, settings.options, env_file, environment)
        except ConfigError as error:
            raise FailedStart(str(error)) from error
    obey_umask(settings.options.processes)
    loaded = load(target, settings.options)
    build(loaded)
    log.info("%s", banner(target, settings.options))
    leave(_serve(loaded, settings.options))


def _serve(app: AnyApp, options: ServerOptions) -> int:
    try:
        return serve(app, options)
    except ConfigError as error:
        raise FailedStart(str(error)) from error


run = ServerCommand("run", help=ABOUT, epilog=SOURCES, callback=_run, params=[*app_parameters(), *server_parameters()])
