"""The application as the server calls it: what the options put around it."""

from typing import Any, cast

from pagi.gateway.lint import Lint
from pagi.gateway.marker import is_pagi
from pagi.gateway.types import AnyApp
from pagi.gateway.wsgi import WSGI
from pagi.server.options import ServeOptions


def presented(app: AnyApp, options: ServeOptions) -> AnyApp:
    """The application as an ASGI one, held to the agreement where that is asked for."""
    if options.interface == "wsgi" and not is_pagi(app):  # the page that stands in for an application that fails is one of ours
        app = WSGI(cast("Any", app), threads=options.wsgi_threads)
    return Lint(app) if options.lint else app
