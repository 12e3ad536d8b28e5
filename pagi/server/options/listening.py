"""Where the server listens."""

from collections.abc import Collection
from typing import Annotated

import msgspec

from pagi.server.options.flag import Count, Flag

WAYS = (("bind",), ("host", "port"), ("uds",), ("fd",))
"""The ways to say where to listen. Only one of them can count."""


class ListenOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the server listens."""

    bind: Annotated[
        tuple[str, ...],
        Flag("--bind", help="Addresses in place of host and port: HOST:PORT, [IPV6]:PORT, :PORT, unix:PATH, fd://3, fd://NAME or systemd."),
    ] = ()
    host: Annotated[str, Flag("--host", help="Address to bind.")] = "127.0.0.1"
    port: Annotated[Annotated[int, msgspec.Meta(ge=0, le=65535)], Flag("--port", help="Port to bind; 0 takes a free one.")] = 8000
    uds: Annotated[str | None, Flag("--uds", help="Unix socket to bind instead of host and port.")] = None
    uds_mode: Annotated[
        Annotated[int, msgspec.Meta(ge=0, le=0o777)] | None,
        Flag("--uds-mode", help="Who may connect to our Unix sockets, such as 0o660; without it the umask decides."),
    ] = None
    fd: Annotated[
        Annotated[int, msgspec.Meta(ge=0)] | None, Flag("--fd", help="Descriptor that listens already, instead of host and port.")
    ] = None
    backlog: Annotated[Count, Flag("--backlog", help="Connections the kernel keeps waiting.")] = 2048
    max_connections: Annotated[Count, Flag("--limit-connections", help="Open connections; past it 503. 0: no limit.")] = 10_000


def clash(names: Collection[str]) -> tuple[str, str] | None:
    """Two of these options that say in different ways where to listen.

    >>> clash({"port", "backlog", "bind"}), clash({"host", "port"})
    (('bind', 'port'), None)
    """
    said = [next(name for name in way if name in names) for way in WAYS if any(name in names for name in way)]
    return (said[0], said[1]) if len(said) > 1 else None
