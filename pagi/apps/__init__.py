"""Ready-made applications, to be mounted: `app.mount("/static", StaticFiles("public"))`."""

from pagi.apps.static_files import StaticFiles

__all__ = ["StaticFiles"]
