"""Who may look into the running server, and where."""

from typing import Annotated

import msgspec

from pagi.server.options.flag import Flag


class WatchOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The control socket and the metrics. Both are off by default; one process answers for all workers."""

    control_socket: Annotated[
        str,
        Flag("--control-socket", help="Unix socket that `pagi status` asks, for this user alone. Empty: none."),
    ] = ""
    metrics_bind: Annotated[
        str, Flag("--metrics-bind", help="Where metrics are served in Prometheus's text format, such as 127.0.0.1:9100. Empty: nowhere.")
    ] = ""
