"""The application as the server calls it: what the options put around it."""

from pagi.gateway.lint import Lint
from pagi.gateway.types import AnyApp
from pagi.server.options import ServeOptions


def presented(app: AnyApp, options: ServeOptions) -> AnyApp:
    """The application, held to the agreement where that is asked for."""
    return Lint(app) if options.lint else app
