"""What every connection of one process shares: the application, its options and state, the loop, and who is connected."""

import logging
import random
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from pagi.gateway.connection import Waiter
from pagi.gateway.forwarding import Forwarding
from pagi.gateway.marker import is_pagi
from pagi.gateway.types import AnyApp, HeaderList
from pagi.http.dates import http_date
from pagi.http.networks import Networks
from pagi.server.access_log import AccessLog
from pagi.server.credentials import Keeper
from pagi.server.deadlines import Sweeper, sweep_period
from pagi.server.exchanges.scope import Peer, common_scope
from pagi.server.figures import Figures, OpenExchange
from pagi.server.interface import presented
from pagi.server.options import ServerOptions
from pagi.server.process.shares import Share
from pagi.server.readiness import answering_readiness
from pagi.server.runtime import Runtime, call_all
from pagi.server.wire.events import Request
from pagi.server.wire.head_writer import StaticLines
from pagi.server.wire.http2_inflow import UnreadBudget

log = logging.getLogger("pagi.server")

MOST_SCOPES = 256
"""Listeners whose scopes are kept ready. There may be more where proxies say to which address a client connected."""
FULL_TOLD_SECONDS = 60.0
"""How often the log tells that clients are turned away: a storm of them is one line a minute."""


class Member(Protocol):
    """A connection, as the process sees it."""

    def sweep(self, now: float) -> None: ...
    def begin_closing(self, deadline: float) -> None: ...
    def look(self, now: float) -> list[OpenExchange]: ...
    def cut(self) -> list[object]: ...


def most_requests(options: ServerOptions) -> int:
    """How many this process may take; 0: no limit. Drawn for each process, so that not all workers end at once."""
    most, jitter = options.processes.max_requests, options.processes.max_requests_jitter
    return most and most + random.randint(0, jitter)  # noqa: S311 (no secret)


class Service:
    """One application served on one loop. Knows every open connection; outlives them all."""

    def __init__(self, app: AnyApp, options: ServerOptions, runtime: Runtime) -> None:
        self.options = options
        self.app = self.present(app)
        self.runtime = runtime
        self.state: dict[str, Any] = {}
        """What the lifespan left; each scope gets a shallow copy."""
        interface = options.serve.interface
        self.speaks_sse = interface == "pagi" or (interface == "auto" and is_pagi(app))
        """The application may be given `sse` scopes."""
        self.new_waiter = runtime.waiter
        logs = options.logs
        self.access_log = AccessLog(logs.access_log_format) if logs.access_log else None
        self.keeps_headers = self.access_log is not None and self.access_log.keeps_headers
        """The access log shows fields of answers: exchanges keep them until their line is written."""
        self.figures = Figures() if options.watch.control_socket or options.watch.metrics_bind else None
        self.keeps_time = self.access_log is not None or self.figures is not None
        """Exchanges note when they begin and end."""
        self.began = runtime.now()
        self.static_lines = StaticLines(b"")
        fields = options.answers.fields()
        names = {name for name, _ in fields}
        self._dates_answers = options.answers.date_header and b"date" not in names
        if options.answers.server_header and b"server" not in names:
            fields.insert(0, (b"server", b"pagi"))
        self._steady_lines = b"".join(b"\r\n" + name + b": " + value for name, value in fields)
        self.exchanges = 0
        """How many have not ended: what an application does after its answer left is no exchange any more."""
        self.begun = 0
        """Requests so far."""
        self._most_begun = most_requests(options)
        self.when_spent: Callable[[], None] | None = None
        """Called when as many have begun as there may be."""
        self.failures: Callable[[BaseException], None] | None = None
        """Told each error that an application or an exchange failed with, beside the log."""
        self.unread = UnreadBudget(options.http2.h2_max_unread_total_bytes)
        """Request bodies that wait for the application, over all HTTP/2 connections."""
        self.connections: set[Member] = set()
        self.share: Share | None = None
        """Ours of all connections, where other workers accept on the same sockets."""
        self.closing_since: float | None = None
        self.closing_deadline: float | None = None
        self.keeper: Keeper | None = None
        """Has the certificate that is served; None where TLS is not spoken."""
        self.is_leaving = False
        """The server was told to stop: no answer keeps its connection any more."""
        self.is_retiring = False
        """Another worker serves in this one's place: clients lose nothing by coming back, and may keep an idle connection a while."""
        self._common_scopes: dict[tuple[str, int | None], dict[str, Any]] = {}
        """By the listener's address; a host that listens on all of its addresses has as many."""
        proxies = options.proxies
        self.forwarding = (
            Forwarding(proxies.forwarded, proxies.forwarded_fields, Networks(proxies.forwarded_allow_ips))
            if proxies.proxy_headers
            else None
        )
        """Reads what proxies say in fields; None where that is not asked for."""
        self.announcers = Networks(proxies.proxy_protocol_allow_ips) if proxies.proxy_protocol else None
        """Whose connections begin with a PROXY header, as all then must; None where that is not asked for."""
        self._full_told_at: float | None = None
        self._quiet: Waiter | None = None
        self._sweeper = Sweeper(runtime, sweep_period(options), self._refresh_date, self._sweep)
        self._second = 0

    def present(self, app: AnyApp) -> AnyApp:
        """An application with what the options put around it: as it is called."""
        serve = self.options.serve
        return answering_readiness(presented(app, serve), serve.readiness_path, lambda: not self.is_leaving)

    def start(self) -> None:
        """Starts the clockwork: deadlines, and the Date that answers carry."""
        lists = (self.forwarding.networks if self.forwarding is not None else None, self.announcers)
        if any(trusted is not None and trusted.has_everybody for trusted in lists):
            log.warning("every peer (*) may say who its client is: that is only right where nobody but the proxy can connect")
        self._refresh_date()
        self._sweeper.start()

    def stop(self) -> None:
        """Stops the clockwork, and lets the runtime go."""
        self._sweeper.stop()
        self.runtime.close()

    def turns_away(self) -> bool:
        """As many connections are open as may be, so the one that came is turned away. The log tells it now and then."""
        limit = self.options.listen.max_connections
        if not limit or len(self.connections) < limit:
            return False
        now = self.runtime.now()
        if self._full_told_at is None or now - self._full_told_at >= FULL_TOLD_SECONDS:
            self._full_told_at = now
            log.warning("%d connections are open, as many as may be: others get 503; raise max_connections if more would fit", limit)
        return True

    def refusal(self, request: Request) -> tuple[int, str, HeaderList] | None:
        """Why a request does not even become an exchange: status, words and fields of the answer to it; None where it does."""
        body, serve = self.options.body, self.options.serve
        size = max(request.head.content_length or 0, len(request.body))
        if size > body.max_body_bytes > 0:
            return 413, f"the request body is {size} bytes, the limit is {body.max_body_bytes}", []
        if self.exchanges >= serve.max_exchanges > 0:
            return 503, f"{self.exchanges} exchanges run already, and no more may", [(b"retry-after", b"5")]
        return None

    def gives_way(self) -> bool:
        """The next connection is rather another worker's. Else it counts as ours."""
        if self.share is None:
            return False
        count = len(self.connections)
        if self.share.gives_way(count):
            return True
        self.share.hold(count + 1)
        return False

    def common_scope(self, peer: Peer) -> dict[str, Any]:
        """What the scopes of this peer's listener have in common: to be copied, not changed."""
        scope = self._common_scopes.get(peer.server)
        if scope is None:
            if len(self._common_scopes) >= MOST_SCOPES:
                self._common_scopes.clear()
            scope = self._common_scopes[peer.server] = common_scope(peer, self.options.serve.root_path)
        return scope

    def begins(self) -> None:
        """A request was read, and its exchange begins."""
        self.begun += 1
        if self.begun == self._most_begun and self.when_spent is not None:
            self.when_spent()

    def forget(self, connection: Member) -> None:
        """The connection is lost and its last exchange is over."""
        self.connections.discard(connection)
        if self.share is not None:
            self.share.let_go(len(self.connections))
        if not self.connections and self._quiet is not None:
            self._quiet.set()

    async def quiet(self) -> None:
        """Waits until no connection is open and no exchange runs, background work included."""
        while self.connections:
            self._quiet = self.runtime.waiter()
            await self._quiet.wait()

    def begin_closing(self, deadline: float, *, retiring: bool = False) -> None:
        """The closing signal: idle connections end, exchanges are told that they have until `deadline`."""
        self.is_leaving = True
        self.closing_since = self.runtime.now()
        self.closing_deadline = deadline
        self.is_retiring = retiring
        for connection in list(self.connections):
            connection.begin_closing(deadline)

    def cut(self) -> list[object]:
        """The deadline passed: what is left is cut. Returns the tasks to cancel."""
        return [task for connection in list(self.connections) for task in connection.cut()]

    def _sweep(self, now: float) -> None:
        if self.keeper is not None:
            call_all([partial(self.keeper.look, now)])
        call_all([partial(connection.sweep, now) for connection in self.connections])

    def _refresh_date(self) -> None:
        second = int(time.time())
        if second != self._second:
            self._second = second
            date = b"\r\ndate: " + http_date(second).encode() if self._dates_answers else b""
            self.static_lines.lines = date + self._steady_lines
