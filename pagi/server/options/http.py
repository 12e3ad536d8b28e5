"""Limits of HTTP: of each framing, of bodies, and of what waits to be sent."""

from typing import Annotated

import msgspec

from pagi.server.options.flag import KIB, MIB, Bytes, Count, Flag, Seconds


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
