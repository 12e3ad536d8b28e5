"""What an operator may set. Small frozen structs, one for each room; the command's flags are generated from them."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, TypeAlias, cast

import msgspec

from pagi.http.errors import ConfigError

KIB = 1024
MIB = 1024 * KIB


class Flag:
    """How one option appears on the command line: `--name`, and the sentence `--help` shows."""

    __slots__ = ("help", "name")

    def __init__(self, name: str, *, help: str) -> None:
        self.name = name
        self.help = help


Bytes: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]
Seconds: TypeAlias = Annotated[float, msgspec.Meta(ge=0)]
Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]


class HTTP1Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits for one HTTP/1.1 peer."""

    max_head_bytes: Annotated[
        Bytes, Flag("--limit-head-bytes", help="Request line and fields together; past it 431 (RFC 6585 section 5).")
    ] = 16 * KIB
    max_fields: Annotated[Count, Flag("--limit-head-fields", help="Fields in one request; past it 431.")] = 100
    max_pipelined_bytes: Annotated[
        Bytes, Flag("--limit-pipelined-bytes", help="Bytes of later requests kept while one is answered; past it reading pauses.")
    ] = 64 * KIB
    early_hints: Annotated[
        bool, Flag("--early-hints", help="Send 103 over HTTP/1.1. Off, because some clients take it for the answer.")
    ] = False


class BodyOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits for request bodies, on every framing."""

    max_body_bytes: Annotated[Bytes, Flag("--limit-body-bytes", help="Request body, declared or counted; past it 413. 0: no limit.")] = (
        100 * MIB
    )
    body_stall_seconds: Annotated[
        Seconds, Flag("--timeout-body", help="How long a body may stand still while the application waits for it. 0: no limit.")
    ] = 30.0
    drain_bytes: Annotated[
        Bytes, Flag("--limit-drain-bytes", help="Unread body swallowed to keep a connection; past it the connection closes.")
    ] = 256 * KIB


class FlowOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Unsent bytes: when `send` waits, and for how long."""

    high_water_bytes: Annotated[Bytes, Flag("--write-high-water", help="Unsent bytes at which `send` starts to wait.")] = 64 * KIB
    low_water_bytes: Annotated[Bytes, Flag("--write-low-water", help="Unsent bytes at which `send` goes on.")] = 16 * KIB
    write_stall_seconds: Annotated[
        Seconds, Flag("--timeout-write", help="How long unsent bytes may stand still before the client is cut. 0: no limit.")
    ] = 30.0


class WebSocketOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits and heartbeats of WebSockets."""

    ws_max_message_bytes: Annotated[Bytes, Flag("--ws-max-size", help="One message, inflated; past it close 1009.")] = 16 * MIB
    ws_max_queue: Annotated[Count, Flag("--ws-max-queue", help="Messages waiting for the application before reading pauses.")] = 32
    ws_ping_interval_seconds: Annotated[Seconds, Flag("--ws-ping-interval", help="Between pings. 0: none.")] = 20.0
    ws_ping_timeout_seconds: Annotated[Seconds, Flag("--ws-ping-timeout", help="How long a ping may stay unanswered.")] = 20.0
    ws_idle_seconds: Annotated[Seconds, Flag("--ws-idle-timeout", help="Without a message either way. 0: no limit.")] = 0.0
    ws_close_seconds: Annotated[Seconds, Flag("--ws-close-timeout", help="How long the client may take to answer our Close.")] = 10.0
    ws_deflate: Annotated[
        bool, Flag("--ws-per-message-deflate", help="Accept permessage-deflate (RFC 7692), without context takeover either way.")
    ] = True


class SSEOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Heartbeats of event streams."""

    sse_keepalive_seconds: Annotated[Seconds, Flag("--sse-keepalive", help="Between comments on a quiet stream. 0: none.")] = 15.0
    sse_idle_seconds: Annotated[Seconds, Flag("--sse-idle-timeout", help="Without an event sent. 0: no limit.")] = 0.0


class TimeoutOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Deadlines of a connection."""

    head_seconds: Annotated[
        Seconds, Flag("--timeout-head", help="From the first byte of a request, or the connection's opening, to the end of its head.")
    ] = 10.0
    keep_alive_seconds: Annotated[
        Seconds, Flag("--timeout-keep-alive", help="How long an idle connection may wait for its next request.")
    ] = 5.0
    disconnect_grace_seconds: Annotated[
        Seconds, Flag("--timeout-disconnect-grace", help="After the client left, before streams and WebSockets are cancelled.")
    ] = 5.0
    graceful_seconds: Annotated[Seconds, Flag("--timeout-graceful-shutdown", help="From the closing signal until what is left is cut.")] = (
        30.0
    )
    startup_seconds: Annotated[Seconds, Flag("--timeout-startup", help="How long the lifespan may take to start. 0: no limit.")] = 60.0


class ListenOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the server listens."""

    host: Annotated[str, Flag("--host", help="Address to bind.")] = "127.0.0.1"
    port: Annotated[Annotated[int, msgspec.Meta(ge=0, le=65535)], Flag("--port", help="Port to bind; 0 takes a free one.")] = 8000
    uds: Annotated[str | None, Flag("--uds", help="Unix socket to bind instead of host and port.")] = None
    backlog: Annotated[Count, Flag("--backlog", help="Connections the kernel keeps waiting.")] = 2048
    max_connections: Annotated[Count, Flag("--limit-connections", help="Open connections; past it 503. 0: no limit.")] = 10_000


class ServeOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the application is run and logged."""

    interface: Annotated[
        Literal["auto", "pagi", "asgi"], Flag("--interface", help="Who gets `sse` scopes: auto asks the app's marker.")
    ] = "auto"
    lifespan: Annotated[
        Literal["auto", "on", "off"],
        Flag("--lifespan", help="auto: an app that declines is served without; on: declining is fatal; off: never asked."),
    ] = "auto"
    root_path: Annotated[str, Flag("--root-path", help="Prefix under which a proxy shows the application.")] = ""
    loop: Annotated[Literal["auto", "uvloop", "asyncio", "trio"], Flag("--loop", help="auto: uvloop when installed, else asyncio.")] = (
        "auto"
    )
    log_level: Annotated[
        Literal["critical", "error", "warning", "info", "debug", "trace"], Flag("--log-level", help="Least level of server log lines.")
    ] = "info"
    access_log: Annotated[bool, Flag("--access-log", help="A line for each exchange on stdout.")] = True
    access_log_format: Annotated[Literal["text", "json"], Flag("--access-log-format", help="text or json.")] = "text"


class ServerOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of it. Rooms receive their own part, never the whole.

    >>> server_options(port=0, keep_alive_seconds=2).timeouts.keep_alive_seconds
    2.0
    """

    listen: ListenOptions = ListenOptions()
    serve: ServeOptions = ServeOptions()
    timeouts: TimeoutOptions = TimeoutOptions()
    http1: HTTP1Options = HTTP1Options()
    body: BodyOptions = BodyOptions()
    flow: FlowOptions = FlowOptions()
    websocket: WebSocketOptions = WebSocketOptions()
    sse: SSEOptions = SSEOptions()


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
    flow = options.flow
    if flow.low_water_bytes > flow.high_water_bytes:
        raise ConfigError(f"low_water_bytes ({flow.low_water_bytes}) is over high_water_bytes ({flow.high_water_bytes})")
    return options
