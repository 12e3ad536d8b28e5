"""The `pagi` command: reads what the operator wants, loads the application, and hands both to the server."""

from pagi.cli.command import main

__all__ = ["main"]
