"""What every command that needs the application does first: settings from all sources, then find, load and build it."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import msgspec

from pagi.application import App
from pagi.cli.load import AppFailed, AppNotFound, Target, in_application, load_app, parse_target, put_on_path
from pagi.cli.parameters import FailedStart
from pagi.cli.settings import Project, environment_options, find_project, load_env_file, merged
from pagi.gateway.marker import is_pagi
from pagi.gateway.types import AnyApp
from pagi.http.errors import ConfigError
from pagi.server import ServerOptions, server_options
from pagi.server.process.logs import keep_logging, set_up_logging

NOT_NAMED = """which application? There are three ways to name it:
  pagi {command} main:app     a module and an attribute of it
  pagi {command} app.py       a file
  pagi {command}              with app = "main:app" under [tool.pagi] in pyproject.toml"""

SEEN_BY_ALL = """Warning: whoever lists this machine's processes reads what --ssl-keyfile-password says; give it in the environment
(PAGI_SSL_KEYFILE_PASSWORD) or in a file (--ssl-keyfile-password-file)."""


class Settings(msgspec.Struct, frozen=True):
    """What flags, environment and files say together."""

    options: ServerOptions
    project: Project | None


def read_settings(env_file: Path | None, flags: Mapping[str, Any]) -> Settings:
    """The settings of all sources. The variables of `env_file` are in the environment afterwards. `quiet` is a flag beside the options'.

    Raises:
        UsageError: a source says what cannot be.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    if given.pop("quiet", False):
        if "log_level" in given:
            raise click.UsageError("--quiet and --log-level both say which lines are wanted; give one of them")
        given["log_level"] = "error"
    try:
        if env_file is not None:
            load_env_file(env_file)
        project = find_project(Path.cwd())
        options = server_options(
            **merged(
                project.options if project else {},
                environment_options(os.environ),
                given,
            )
        )
    except ConfigError as error:
        raise click.UsageError(str(error)) from error
    if flags.get("ssl_keyfile_password") is not None:
        click.echo(SEEN_BY_ALL, err=True)
    return Settings(options, project)


def find_target(app: str | None, app_dir: Path | None, project: Project | None) -> Target:
    """The address of the application, by name or from the settings. Nothing is imported.

    Raises:
        UsageError: none is named, or what is named can be none.
    """
    folder = (app_dir or Path.cwd()).resolve()
    if app is None:
        if project is None or project.app is None:
            raise click.UsageError(NOT_NAMED.format(command=click.get_current_context().info_name))
        app = project.app
        folder = folder if app_dir else project.path.parent
    try:
        return parse_target(app, folder)
    except AppNotFound as error:
        raise click.UsageError(str(error)) from error


def begin_logging(options: ServerOptions, target: Target) -> None:
    """Sets up the server's log, with handlers of the application's own where its configuration names them.

    Raises:
        UsageError: what the options say of logging cannot be.
    """
    put_on_path(target.folder)
    try:
        set_up_logging(options.logs)
    except ConfigError as error:
        raise click.UsageError(str(error)) from error


def load(target: Target, options: ServerOptions) -> AnyApp:
    """The application itself.

    Raises:
        UsageError: there is none of that name.
        FailedStart: it failed while it was loaded; its own part of the traceback is on stderr.
    """
    try:
        return load_app(target, options.serve.interface)
    except AppNotFound as error:
        raise click.UsageError(str(error)) from error
    except AppFailed as error:
        if error.details:
            click.echo(error.details, err=True)
        raise FailedStart(str(error)) from error
    finally:
        keep_logging()


def build(app: AnyApp) -> None:
    """Builds a pagi application before anything listens; a foreign one has its own way to start.

    Raises:
        FailedStart: it could not be built; where its own code failed, that part of the traceback is on stderr.
    """
    compile_app = getattr(app, "build", None)
    if compile_app is None or not is_pagi(app):
        return
    try:
        compile_app()
    except ConfigError as error:
        raise FailedStart(str(error)) from error
    except Exception as error:
        click.echo(in_application(error), err=True)
        raise FailedStart(f"the application could not be built: {type(error).__name__}: {error}") from error


def allow_debugging(app: AnyApp) -> None:
    """Tells a pagi `App` that it may show what went wrong. Only `pagi dev` does so; applications of other kinds are left alone."""
    if isinstance(app, App):
        app.debug = True
