"""What an operator may set. Small frozen structs, one for each room; the command's flags are generated from them."""

from collections.abc import Iterator
from typing import Any, cast

import msgspec

from pagi.http.errors import ConfigError
from pagi.http.networks import Networks
from pagi.server.options.answers import AnswerOptions
from pagi.server.options.binds import parse_binds
from pagi.server.options.flag import KIB, MIB, Bytes, Count, Flag, Seconds
from pagi.server.options.http import BodyOptions, FlowOptions, HTTP1Options
from pagi.server.options.http2 import HTTP2Options
from pagi.server.options.listening import ListenOptions, clash
from pagi.server.options.live import SSEOptions, WebSocketOptions
from pagi.server.options.logs import LogOptions
from pagi.server.options.processes import ProcessOptions
from pagi.server.options.proxies import ProxyOptions
from pagi.server.options.serving import ServeOptions, TimeoutOptions
from pagi.server.options.tls import TLSOptions
from pagi.server.options.watch import WatchOptions

__all__ = [
    "KIB",
    "MIB",
    "AnswerOptions",
    "BodyOptions",
    "Bytes",
    "Count",
    "Flag",
    "FlowOptions",
    "HTTP1Options",
    "HTTP2Options",
    "ListenOptions",
    "LogOptions",
    "ProcessOptions",
    "ProxyOptions",
    "SSEOptions",
    "Seconds",
    "ServeOptions",
    "ServerOptions",
    "TLSOptions",
    "TimeoutOptions",
    "WatchOptions",
    "WebSocketOptions",
    "option_fields",
    "server_options",
]


class ServerOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of it. Rooms receive their own part, never the whole.

    >>> server_options(port=0, keep_alive_seconds=2).timeouts.keep_alive_seconds
    2.0
    """

    listen: ListenOptions = ListenOptions()
    proxies: ProxyOptions = ProxyOptions()
    serve: ServeOptions = ServeOptions()
    logs: LogOptions = LogOptions()
    answers: AnswerOptions = AnswerOptions()
    timeouts: TimeoutOptions = TimeoutOptions()
    tls: TLSOptions = TLSOptions()
    http1: HTTP1Options = HTTP1Options()
    http2: HTTP2Options = HTTP2Options()
    body: BodyOptions = BodyOptions()
    flow: FlowOptions = FlowOptions()
    websocket: WebSocketOptions = WebSocketOptions()
    sse: SSEOptions = SSEOptions()
    processes: ProcessOptions = ProcessOptions()
    watch: WatchOptions = WatchOptions()


def option_fields() -> Iterator[tuple[str, str, msgspec.structs.FieldInfo]]:
    """Every option as (group, name, field). Names are unique over all groups, so each may be given flat."""
    for group in msgspec.structs.fields(ServerOptions):
        for field in msgspec.structs.fields(cast(msgspec.Struct, group.default)):
            yield group.name, field.name, field


def server_options(**flat: Any) -> ServerOptions:
    """Options by their bare names, each put into its group and validated.

    Raises:
        ConfigError: a name that is no option, or a value it cannot have.
    """
    groups: dict[str, dict[str, Any]] = {}
    homes = {name: group for group, name, _ in option_fields()}
    for name, value in flat.items():
        if name not in homes:
            raise ConfigError(f"there is no server option {name!r}; known: {', '.join(sorted(homes))}")
        groups.setdefault(homes[name], {})[name] = value
    try:
        options = msgspec.convert(groups, ServerOptions)
    except msgspec.ValidationError as error:
        raise ConfigError(f"server option refused: {error}") from error
    if two := clash(flat.keys()):
        raise ConfigError(f"{two[0]} and {two[1]} both say where to listen: give one; bind takes several addresses of any kind")
    parse_binds(options.listen.bind)
    for name in ("forwarded_allow_ips", "proxy_protocol_allow_ips"):
        try:
            Networks(getattr(options.proxies, name))
        except ValueError as error:
            raise ConfigError(f"{name}: {error}") from error
    flow = options.flow
    if flow.low_water_bytes > flow.high_water_bytes:
        raise ConfigError(f"low_water_bytes ({flow.low_water_bytes}) is over high_water_bytes ({flow.high_water_bytes})")
    return options
