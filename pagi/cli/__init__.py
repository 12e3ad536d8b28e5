"""The `pagi` command: reads what the operator wants, loads the application, and hands both to the server."""

from pagi.cli.standard_streams import open_missing
from pagi.first_process import step_aside

open_missing()
step_aside()  # before anything else, where that was not done by the package already: see there

from pagi.cli.command import main  # noqa: E402

__all__ = ["main"]
