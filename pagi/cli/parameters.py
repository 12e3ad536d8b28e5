"""The parameters that several commands share: APP and where it is looked for, and a flag for each server option."""

import os
from pathlib import Path
from typing import Any

import click

from pagi.cli.flags import ServerFlag, sections

FAILED_START = 3


class FailedStart(click.ClickException):
    """The application or the server could not start. Printed in red, without our traceback."""

    exit_code = FAILED_START

    def show(self, file: Any = None) -> None:
        """Writes the message to stderr."""
        click.secho(f"Error: {self.message}", file=file, err=True, fg=None if os.environ.get("NO_COLOR") else "red")


class ServerOption(click.Option):
    """A flag made from a server option. Left out it is None, so that weaker sources can speak."""

    def __init__(self, flag: ServerFlag, section: str) -> None:
        is_word = bool(flag.choices) and not flag.is_list
        super().__init__(
            [flag.name, flag.spelling],
            type=click.Choice(flag.choices) if is_word else None if flag.is_switch else click.STRING,
            metavar=None if flag.is_switch or is_word else flag.unit,
            multiple=flag.is_list,
            default=None,
            callback=None if flag.is_switch or is_word else self._read,
            help=f"{flag.help} Default: {flag.shown_default}.",
        )
        self.flag = flag
        self.section = section

    def _read(self, ctx: click.Context, parameter: click.Parameter, text: str | tuple[str, ...] | None) -> Any:
        if isinstance(text, tuple):
            text = self.flag.separator.join(text) if text else None
        try:
            return None if text is None else self.flag.read(text)
        except ValueError as error:
            raise click.BadParameter(f"{error}.", ctx, parameter) from error


class ServerCommand(click.Command):
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


def app_parameters() -> list[click.Parameter]:
    """Which application, and from where."""
    return [
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
    ]


def server_parameters() -> list[click.Parameter]:
    """A flag for each option of the server, and a short word for one of them."""
    quiet = click.Option(["-q", "--quiet"], is_flag=True, help="Errors alone: the same as --log-level error.")
    return [quiet, *(ServerOption(flag, title) for title, flags in sections() for flag in flags)]
