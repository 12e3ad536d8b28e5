"""`pagi run`: settings from every source, the application, and the server that serves it."""

import logging
import os
from pathlib import Path
from typing import Any

import click

from pagi.cli.flags import ServerFlag, sections
from pagi.cli.load import AppFailed, AppNotFound, in_application, load_app, parse_target
from pagi.cli.log_setup import set_up_logging
from pagi.cli.settings import Project, environment_options, find_project, load_env_file
from pagi.gateway.marker import is_pagi
from pagi.gateway.types import AnyApp
from pagi.http.errors import ConfigError
from pagi.server import ServerOptions, server_options
from pagi.server import run as serve

FAILED_START = 3

ABOUT = """Serve APP until it is told to stop.

APP is module:attribute, a module (its app, application or create_app), or a file (app.py, app.py:attribute). Left out, it is
`app` of [tool.pagi] in the pyproject.toml of this folder or above.
"""
SOURCES = """Each server option is also an environment variable (--timeout-keep-alive: PAGI_TIMEOUT_KEEP_ALIVE) and a key of
[tool.pagi.server] in pyproject.toml (timeout-keep-alive). A flag wins over the environment, that over --env-file, that over
pyproject.toml. PORT is read like PAGI_PORT.

Exit codes: 0 stopped cleanly, 1 failed while running, 2 wrong usage, 3 could not start, 4 work was cut at the deadline.
"""

log = logging.getLogger("pagi.cli")


class FailedStart(click.ClickException):
    """The application or the server could not start. Printed in red, without our traceback."""

    exit_code = FAILED_START

    def show(self, file: Any = None) -> None:
        """Writes the message to stderr."""
        click.secho(f"Error: {self.message}", file=file, err=True, fg=None if os.environ.get("NO_COLOR") else "red")


class ServerOption(click.Option):
    """A flag made from a server option. Left out it is None, so that weaker sources can speak."""

    def __init__(self, flag: ServerFlag, section: str) -> None:
        super().__init__(
            [flag.name, flag.spelling],
            type=click.Choice(flag.choices) if flag.choices else None if flag.is_switch else click.STRING,
            metavar=None if flag.is_switch or flag.choices else flag.unit,
            default=None,
            callback=None if flag.is_switch or flag.choices else self._read,
            help=f"{flag.help} Default: {flag.shown_default}.",
        )
        self.flag = flag
        self.section = section

    def _read(self, ctx: click.Context, parameter: click.Parameter, text: str | None) -> Any:
        try:
            return None if text is None else self.flag.read(text)
        except ValueError as error:
            raise click.BadParameter(f"{error}.", ctx, parameter) from error


class RunCommand(click.Command):
    """A command whose help shows the server's options in their sections."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes a section for each option struct, after the command's own options."""
        records: dict[str, list[tuple[str, str]]] = {"Options": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                section = parameter.section if isinstance(parameter, ServerOption) else "Options"
                records.setdefault(section, []).append(record)
        for section, rows in records.items():
            with formatter.section(section):
                formatter.write_dl(rows)


def _run(app: str | None, app_dir: Path | None, env_file: Path | None, **flags: Any) -> None:
    try:
        if env_file is not None:
            load_env_file(env_file)
        project = find_project(Path.cwd())
        options = server_options(
            **{
                **(project.options if project else {}),
                **environment_options(os.environ),
                **{name: value for name, value in flags.items() if value is not None},
            }
        )
    except ConfigError as error:
        raise click.UsageError(str(error)) from error
    set_up_logging(options.serve.log_level)
    if project is not None:
        log.info("settings of %s", project.path)
    loaded = _load(app, app_dir, project)
    _build(loaded)
    click.get_current_context().exit(_serve(loaded, options))


def _load(app: str | None, app_dir: Path | None, project: Project | None) -> AnyApp:
    folder = (app_dir or Path.cwd()).resolve()
    if app is None:
        if project is None or project.app is None:
            raise click.UsageError(
                'which application? Name it: `pagi run main:app`, or put app = "main:app" under [tool.pagi] in pyproject.toml'
            )
        app = project.app
        folder = folder if app_dir else project.path.parent
    try:
        return load_app(parse_target(app, folder))
    except AppNotFound as error:
        raise click.UsageError(str(error)) from error
    except AppFailed as error:
        if error.details:
            click.echo(error.details, err=True)
        raise FailedStart(str(error)) from error


def _build(app: AnyApp) -> None:
    """Builds a pagi application before anything listens; a foreign one has its own way to start."""
    build = getattr(app, "build", None)
    if build is None or not is_pagi(app):
        return
    try:
        build()
    except ConfigError as error:
        raise FailedStart(str(error)) from error
    except Exception as error:
        click.echo(in_application(error), err=True)
        raise FailedStart(f"the application could not be built: {type(error).__name__}: {error}") from error


def _serve(app: AnyApp, options: ServerOptions) -> int:
    try:
        return serve(app, options)
    except ConfigError as error:
        raise FailedStart(str(error)) from error


run = RunCommand(
    "run",
    help=ABOUT,
    epilog=SOURCES,
    callback=_run,
    params=[
        click.Argument(["app"], required=False),
        click.Option(
            ["--app-dir"],
            type=click.Path(exists=True, file_okay=False, path_type=Path),
            envvar="PAGI_APP_DIR",
            help="Folder to import APP from. Default: this one, or that of pyproject.toml if it names APP.",
        ),
        click.Option(
            ["--env-file"],
            type=click.Path(path_type=Path),
            envvar="PAGI_ENV_FILE",
            help="File of KEY=VALUE lines, put into the environment before the application is imported. Nothing in it is expanded.",
        ),
        *(ServerOption(flag, title) for title, flags in sections() for flag in flags),
    ],
)
