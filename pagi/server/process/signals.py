"""What signals do to a process that serves alone. INT and TERM end it gracefully, a second INT at once; HUP renews the certificate (only
workers load code anew); USR1 opens the file of the access log anew.
"""

import logging
import signal
from collections.abc import Callable

import anyio
from anyio.abc import TaskStatus

from pagi.server.process.logs import reopen_logs
from pagi.server.process.terminal import Terminal
from pagi.server.server import Server

log = logging.getLogger("pagi.server")


async def obey_signals(server: Server, when_told: Callable[[], None], *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
    """Turns the signals of this process into `server.shutdown`, until cancelled. The first such calls `when_told`."""
    is_told = False
    interrupts = 0
    terminal = Terminal()
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1) as received:
        task_status.started()
        async for number in received:
            if number == signal.SIGUSR1:
                reopen_logs()
                continue
            if number == signal.SIGHUP and not terminal.is_gone:
                if server.options.tls.ssl_certfile is not None:
                    server.reload_certificate()
                else:
                    log.warning("HUP: nothing is loaded anew without workers; start it with --workers")
                continue
            if number == signal.SIGINT:
                interrupts += 1
            if interrupts > 1:
                log.warning("interrupted twice: cutting what is open")
            if not is_told:
                is_told = True
                when_told()
            server.shutdown(force=interrupts > 1)
