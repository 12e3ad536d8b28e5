"""INT and TERM end the process gracefully; a second INT does so at once. Under TLS, HUP renews the certificate."""

import logging
import signal

import anyio
from anyio.abc import TaskStatus

from pagi.server.server import Server

log = logging.getLogger("pagi.server")


async def obey_signals(server: Server, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
    """Turns the signals of this process into `server.shutdown`, until cancelled."""
    interrupts = 0
    obeyed = [signal.SIGINT, signal.SIGTERM]
    if server.options.tls.ssl_certfile is not None:
        obeyed.append(signal.SIGHUP)
    with anyio.open_signal_receiver(*obeyed) as received:
        task_status.started()
        async for number in received:
            if number == signal.SIGHUP:
                server.reload_certificate()
                continue
            if number == signal.SIGINT:
                interrupts += 1
            if interrupts > 1:
                log.warning("interrupted twice: cutting what is open")
            server.shutdown(force=interrupts > 1)
