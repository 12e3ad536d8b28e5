"""Limits and heartbeats of what stays open: WebSockets and event streams."""

from typing import Annotated

import msgspec

from pagi.server.options.flag import MIB, Bytes, Count, Flag, Seconds


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
