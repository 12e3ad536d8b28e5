"""The program of the supervisor of `pagi run`: its plan comes as a file. It imports neither the framework nor a loop."""

import os
import sys

import msgspec

from pagi.cli.log_setup import set_up_logging
from pagi.server.process.supervisor import Plan, Supervisor


def main() -> None:
    """Reads the plan from the descriptor that is the last argument, and follows it. Leaves the process."""
    with os.fdopen(int(sys.argv[-1]), "rb") as file:
        plan = msgspec.json.decode(file.read(), type=Plan)
    set_up_logging(plan.options.serve.log_level)
    sys.exit(Supervisor(plan).run())
