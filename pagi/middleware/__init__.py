"""What stands around handlers: one effect a file, and the fusing of it all."""

from pagi.middleware.session import Session

__all__ = [
    "Session",
]
