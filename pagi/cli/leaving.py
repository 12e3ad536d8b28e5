"""The end of the process: with its exit code, and without waiting for what was cut."""

import logging
import os
import sys
import threading
from typing import NoReturn

import click

from pagi.server.process.exit_codes import EXIT_CUT

log = logging.getLogger("pagi.cli")


def leave(code: int) -> NoReturn:
    """Ends the process with the server's exit code.

    Python waits at its end for every thread. After a cut it does not here: the deadline has passed, and a thread cannot be cancelled.
    """
    busy = [thread for thread in threading.enumerate() if thread is not threading.main_thread() and not thread.daemon]
    if code == EXIT_CUT and busy:
        log.warning("%d threads of the application are still busy and are left behind", len(busy))
        logging.shutdown()
        sys.stdout.flush()
        os._exit(code)
    click.get_current_context().exit(code)
