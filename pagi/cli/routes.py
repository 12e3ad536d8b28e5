"""`pagi routes`: what an application serves, and what runs for each route, as a table or as JSON."""

import shutil
import sys
from pathlib import Path

import click

from pagi.application import App
from pagi.cli.parameters import app_parameters
from pagi.cli.routes_table import Row, render_json, render_table
from pagi.cli.start import build, find_target, load, read_settings
from pagi.server.process.log_lines import wants_colour

ABOUT = """List the routes of APP, with the middleware around each and the dependencies made for it.

APP is named as for `pagi run`. It is built, and not served.
"""
CODES = "Exit codes: 0 it was listed, 2 wrong usage, 3 it cannot be built."


def rows_of(app: App) -> list[Row]:
    """A row for each route of a built app, in the order of registration; one for each application of another make."""
    return [
        Row(
            kind=route.kind,
            methods=list(route.methods),
            path=route.path,
            name=route.name,
            handler=route.handler,
            middleware=list(route.middleware),
            dependencies=list(route.dependencies),
        )
        for route in app.routes
    ]


def _routes(app: str | None, app_dir: Path | None, env_file: Path | None, as_json: bool) -> None:
    settings = read_settings(env_file, {})
    loaded = load(find_target(app, app_dir, settings.project), settings.options)
    if not isinstance(loaded, App):
        raise click.UsageError(f"{loaded!r} is no App of pagi's, and only it knows its routes")
    build(loaded)
    rows = rows_of(loaded)
    click.echo(render_json(rows) if as_json else render_table(rows, shutil.get_terminal_size().columns, wants_colour(sys.stdout)))


_JSON = click.Option(["--json", "as_json"], is_flag=True, help="As JSON, for programs.")

routes = click.Command("routes", help=ABOUT, epilog=CODES, callback=_routes, params=[*app_parameters(), _JSON])
