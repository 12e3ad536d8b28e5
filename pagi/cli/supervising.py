"""The program of the supervisor of `pagi run`: its plan comes as a file. It imports neither the framework nor a loop."""

import logging
import os
import sys

import msgspec

from pagi.http.errors import ConfigError
from pagi.server.options import LogOptions
from pagi.server.process.logs import set_up_logging
from pagi.server.process.supervisor import Plan, Supervisor

log = logging.getLogger("pagi.cli")


def main() -> None:
    """Reads the plan from the descriptor that is the last argument, and follows it. Leaves the process."""
    with os.fdopen(int(sys.argv[-1]), "rb") as file:
        plan = msgspec.json.decode(file.read(), type=Plan)
    _begin_logging(plan.options.logs)
    sys.exit(Supervisor(plan).run())


def _begin_logging(logs: LogOptions) -> None:
    """As the workers log, but for access lines, which are only theirs, and for handlers of the application's own."""
    try:
        set_up_logging(msgspec.structs.replace(logs, access_log_file=None))
    except ConfigError as error:
        set_up_logging(LogOptions(log_level=logs.log_level, use_colors=logs.use_colors))
        log.warning("%s: what the supervisor itself has to say goes to stderr", error)
