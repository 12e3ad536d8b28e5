"""Where the server hands in what is over; a line for each goes to the logger `pagi.access`."""

import logging
import time
from collections.abc import Mapping
from typing import Any

from pagi.gateway.types import HeaderList
from pagi.server.access_log.ended import NO_FIELDS, Ended, refused
from pagi.server.access_log.escaping import printable
from pagi.server.access_log.formats import compile_format

log = logging.getLogger("pagi.access")
server_log = logging.getLogger("pagi.server")


class AccessLog:
    """Writes one line for each exchange, at level info.

    Raises:
        FormatRefused: there is no such preset or atom; see `compile_format`.
    """

    def __init__(self, format: str = "text") -> None:
        self._render, self.keeps_headers = compile_format(format)

    def record(
        self,
        scope: Mapping[str, Any],
        *,
        method: str,
        status: int,
        bytes_sent: int,
        seconds: float,
        reason: str | None,
        headers: HeaderList = NO_FIELDS,
    ) -> None:
        """One exchange is over. `headers` are its answer's, where `keeps_headers` asks for them."""
        if log.isEnabledFor(logging.INFO):
            self._write(Ended(scope, method, status, bytes_sent, seconds, reason, headers, int(time.time())))

    def refused(self, client: tuple[str, int] | None, status: int, detail: str) -> None:
        """A request that never became an exchange."""
        if log.isEnabledFor(logging.INFO):
            self._write(refused(client, status, detail, int(time.time())))

    def _write(self, ended: Ended) -> None:
        try:
            line = self._render(ended)
        except Exception:
            # An application may leave anything in its scope: that costs it the line, and nobody the connection.
            server_log.exception("a line of the access log could not be made (%s, %d)", printable(ended.method), ended.status)
        else:
            log.info("%s", line)
