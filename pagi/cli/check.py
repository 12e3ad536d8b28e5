"""`pagi check`: finds, loads and builds the application, says what is in it, and serves nothing."""

from collections import Counter
from pathlib import Path

import click
import msgspec

from pagi.application import App
from pagi.cli.parameters import app_parameters
from pagi.cli.start import build, find_target, load, read_settings
from pagi.context.next import Kind
from pagi.endpoints.route import Route
from pagi.endpoints.router import Included, Router
from pagi.gateway.types import AnyApp

ABOUT = """Build APP and say what is in it, without serving it.

APP is named as for `pagi run`. All that would stop the start is found here: code that cannot be imported, routes that clash, handlers whose
parameters nothing provides, middleware that does not serve every kind of route under it.
"""
CODES = "Exit codes: 0 it is in order, 2 wrong usage, 3 it cannot be built."

KIND_WORDS: dict[Kind, str] = {"http": "http", "sse": "event stream", "websocket": "websocket"}


class Found(msgspec.Struct, frozen=True):
    """What an application is made of."""

    routes: Counter[Kind]
    routers: int
    """Included ones."""
    mounts: int
    middleware: int
    """Registered on the app, on routers, on routes and on mounts."""

    def __str__(self) -> str:
        parts = [_count(self.routes[kind], f"{word} route") for kind, word in KIND_WORDS.items() if self.routes[kind]]
        parts += [_count(self.routers, "router")] if self.routers else []
        parts += [_count(self.mounts, "mount")] if self.mounts else []
        return ", ".join(
            [*(parts or ["no routes"]), _count(self.middleware, "middleware", "middleware") if self.middleware else "no middleware"]
        )


def look_through(root: Router) -> Found:
    """Counts all that `root` includes; what is mounted counts as one.

    >>> str(look_through(App()))
    'no routes, no middleware'
    """
    routes: Counter[Kind] = Counter()
    routers = mounts = middleware = 0
    pending = [root]
    while pending:
        router = pending.pop()
        middleware += len(router.layers)
        for entry in router.entries:
            if isinstance(entry, Included):
                routers += 1
                pending.append(entry.router)
            elif isinstance(entry, Route):
                routes[entry.kind] += 1
                middleware += len(entry.middleware)
            else:
                mounts += 1
                middleware += len(entry.middleware)
    return Found(routes, routers, mounts, middleware)


def _count(number: int, one: str, more: str | None = None) -> str:
    return f"{number} {one if number == 1 else more or one + 's'}"


def _told(app: AnyApp) -> str:
    if isinstance(app, App):
        return str(look_through(app))
    return "an ASGI application, and none of pagi's: there is nothing to build, and its start is its own affair"


def _check(app: str | None, app_dir: Path | None, env_file: Path | None) -> None:
    settings = read_settings(env_file, {})
    target = find_target(app, app_dir, settings.project)
    loaded = load(target, settings.options)
    build(loaded)
    click.echo(f"{target} is in order: {_told(loaded)}")


check = click.Command("check", help=ABOUT, epilog=CODES, callback=_check, params=app_parameters())
