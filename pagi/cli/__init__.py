"""The `pagi` command: reads what the operator wants, loads the application, and hands both to the server."""

from pagi.first_process import step_aside
from pagi.standard_streams import open_missing

# Before anything else, where the package has not done both already because it was started by another name.
open_missing()
step_aside()

from pagi.cli.command import main  # noqa: E402

__all__ = ["main"]
