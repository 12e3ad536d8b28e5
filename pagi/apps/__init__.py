"""Ready-made applications, to be mounted: `app.mount("/static", StaticFiles("public"))`."""

from pagi.apps.static_files import StaticFiles
from pagi.context.ready import ReadyApp

__all__ = ["ReadyApp", "StaticFiles"]
