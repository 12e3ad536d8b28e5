"""Where the server listens."""

from typing import Annotated

import msgspec

from pagi.server.options.flag import Count, Flag


class ListenOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the server listens."""

    host: Annotated[str, Flag("--host", help="Address to bind.")] = "127.0.0.1"
    port: Annotated[Annotated[int, msgspec.Meta(ge=0, le=65535)], Flag("--port", help="Port to bind; 0 takes a free one.")] = 8000
    uds: Annotated[str | None, Flag("--uds", help="Unix socket to bind instead of host and port.")] = None
    backlog: Annotated[Count, Flag("--backlog", help="Connections the kernel keeps waiting.")] = 2048
    max_connections: Annotated[Count, Flag("--limit-connections", help="Open connections; past it 503. 0: no limit.")] = 10_000
