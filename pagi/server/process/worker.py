"""A worker's life: one server, which ends as its supervisor says, and shows that its loop turns."""

import faulthandler
import logging
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from types import FrameType

import anyio
import msgspec
from anyio.abc import TaskStatus

from pagi.http.errors import ConfigError
from pagi.server.process.channel import Ask, Beat, Channel, Failed, Order, Orders, Ready, ReopenLogs, Retire, Retiring, Status
from pagi.server.process.exit_codes import EXIT_CUT, EXIT_FAILED, EXIT_START
from pagi.server.process.lifespan import StartupFailed
from pagi.server.process.logs import reopen_logs
from pagi.server.process.run import on_loop
from pagi.server.process.shares import Shares
from pagi.server.process.worker_process import OF_THE_TERMINAL, TELL_WHERE
from pagi.server.report import report
from pagi.server.server import Server

log = logging.getLogger("pagi.server")

ALONE_SECONDS = 1.5
"""From the end of the channel until this process leaves, whatever is still running."""
MOST_BEAT_SECONDS = 5.0
BEATS = 6
"""In the time after which a silent worker is taken for blocked."""


def work(server: Server, orders: Orders, sockets: list[socket.socket], channel: Channel[Order], when_ready: Callable[[], None]) -> int:
    """Serves on `sockets` until the supervisor, or TERM, says otherwise, and returns the exit code (see `run`)."""
    leave_the_terminal_alone()
    faulthandler.register(TELL_WHERE)
    server.worker = orders.number

    def ready() -> None:
        channel.send(Ready())
        when_ready()

    try:
        return on_loop(server, sockets, partial(_obey, channel, orders), ready)
    except (ConfigError, StartupFailed) as error:
        channel.send(Failed(str(error), code=EXIT_START))
        return EXIT_START
    except Exception:
        log.exception("the server failed")
        return EXIT_FAILED


def leave_the_terminal_alone() -> None:
    """INT and HUP of a terminal reach every process of it. They are the supervisor's business.

    Not ignored but answered with nothing, because programs that the application starts would inherit the former.
    """
    for number in OF_THE_TERMINAL:
        signal.signal(number, _nothing)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, OF_THE_TERMINAL)


def end_with(channel: Channel[Order]) -> None:
    """From now on this process does not outlive the other end of the channel for long, even if its loop is blocked."""
    threading.Thread(target=_leave_after, args=(channel.fileno(),), daemon=True).start()


def _leave_after(channel: int) -> None:
    end = select.poll()
    end.register(channel, 0)  # a hang-up is told unasked, and data is not ours to read
    while not any(events & select.POLLHUP for _, events in end.poll()):
        pass
    time.sleep(ALONE_SECONDS)
    os._exit(EXIT_CUT)


def _nothing(_number: int, _frame: FrameType | None) -> None:
    """See `leave_the_terminal_alone`."""


async def _obey(channel: Channel[Order], orders: Orders, server: Server, *, task_status: TaskStatus[None]) -> None:
    """What goes on beside the server, until cancelled."""
    if orders.shares is not None:
        server.share = Shares(orders.shares).at(orders.place)
        os.close(orders.shares)  # the memory stays; programs that the application starts are not to have it
    server.when_spent = lambda: channel.send(Retiring("as many requests have begun as max_requests allows"))
    async with anyio.create_task_group() as group:
        await group.start(_obey_term, server)
        group.start_soon(_obey_orders, server, channel, orders.number)
        stall_seconds = orders.options.processes.worker_stall_seconds
        if stall_seconds:
            group.start_soon(_beat, channel, min(stall_seconds / BEATS, MOST_BEAT_SECONDS))
        task_status.started()


async def _obey_term(server: Server, *, task_status: TaskStatus[None]) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM) as received:
        task_status.started()
        async for _ in received:
            server.shutdown()


async def _obey_orders(server: Server, channel: Channel[Order], number: int) -> None:
    while True:
        await anyio.wait_readable(channel.end)
        for order in channel.receive():
            match order:
                case Retire():
                    server.shutdown(retiring=True)
                case ReopenLogs():
                    reopen_logs()
                case Ask("status") if server.service is not None:
                    channel.send(Status("status", msgspec.to_builtins(report(server.service, number))))
                case Ask(what):
                    log.error("nothing is known of %r", what)
                case _:
                    log.error("an order that only comes first: %r", order)
        if channel.has_ended:
            log.warning("the supervisor is gone: cutting what is open")
            server.shutdown(force=True)
            return


async def _beat(channel: Channel[Order], seconds: float) -> None:
    while True:
        channel.send(Beat())
        await anyio.sleep(seconds)
