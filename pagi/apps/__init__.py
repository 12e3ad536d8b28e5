"""Ready-made applications, to be mounted: `app.mount("/static", StaticFiles("public"))`."""

from pagi.apps.static_files import StaticFiles
from pagi.context.ready import ReadyApp
from pagi.gateway.wsgi import WSGI

__all__ = ["WSGI", "ReadyApp", "StaticFiles"]
