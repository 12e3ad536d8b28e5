"""Limits of HTTP/2: streams and windows, and what one peer may make us do for nothing."""

from typing import Annotated

import msgspec

from pagi.server.options.flag import KIB, MIB, Bytes, Count, Flag

_MAX_WINDOW = 2**31 - 1
_FIRST_WINDOW = 65_535
"""What RFC 9113 gives every window at first. That of the connection cannot be made smaller."""


class HTTP2Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Limits for one HTTP/2 peer. Those of heads are HTTP/1.1's.

    What costs a peer little and us much has a burst, which may come at once, and a rate at which it is allowed again. Past both the
    connection ends with ENHANCE_YOUR_CALM.
    """

    http2: Annotated[bool, Flag("--http2", help="Speak HTTP/2: over TLS where the client asks for it, else where it begins with it.")] = (
        True
    )
    h2_max_concurrent_streams: Annotated[
        Annotated[int, msgspec.Meta(ge=1, le=_MAX_WINDOW)],
        Flag("--h2-max-concurrent-streams", help="Requests open on one connection; past it REFUSED_STREAM."),
    ] = 100
    h2_initial_window_bytes: Annotated[
        Annotated[int, msgspec.Meta(ge=1, le=_MAX_WINDOW)],
        Flag("--h2-initial-window", help="Body bytes of one request that may wait for the application."),
    ] = 256 * KIB
    h2_connection_window_bytes: Annotated[
        Annotated[int, msgspec.Meta(ge=_FIRST_WINDOW, le=_MAX_WINDOW)],
        Flag("--h2-connection-window", help="Body bytes that may be on their way to us on one connection."),
    ] = MIB
    h2_max_unread_bytes: Annotated[
        Annotated[int, msgspec.Meta(ge=_FIRST_WINDOW)],
        Flag("--h2-limit-unread", help="Body bytes of one connection that wait for the application, over all its requests."),
    ] = 4 * MIB
    h2_max_unread_total_bytes: Annotated[
        Annotated[int, msgspec.Meta(ge=_FIRST_WINDOW)],
        Flag(
            "--h2-limit-unread-total",
            help="Body bytes that wait for the application, over all HTTP/2 connections of a process; past it requests are reset.",
        ),
    ] = 64 * MIB
    h2_max_frame_bytes: Annotated[
        Annotated[int, msgspec.Meta(ge=16_384, le=2**24 - 1)], Flag("--h2-max-frame-size", help="Largest frame a client may send.")
    ] = 16 * KIB
    h2_max_inflated_head_bytes: Annotated[
        Annotated[int, msgspec.Meta(ge=16 * KIB)],
        Flag("--h2-limit-inflated-head", help="A head that outgrows this, packed or unpacked, ends the connection."),
    ] = 64 * KIB
    h2_max_continuations: Annotated[Count, Flag("--h2-limit-continuations", help="CONTINUATION frames in one head.")] = 16
    h2_max_control_bytes: Annotated[
        Bytes,
        Flag("--h2-limit-control-queue", help="Acknowledgements and resets that wait to be written, because the client does not read."),
    ] = 64 * KIB
    h2_reset_burst: Annotated[
        Count,
        Flag(
            "--h2-limit-resets", help="Requests that may be reset at once, by the client or for its faults (CVE-2023-44487, CVE-2025-8671)."
        ),
    ] = 1000
    h2_reset_rate: Annotated[Count, Flag("--h2-limit-reset-rate", help="Resets allowed again each second.")] = 33
    h2_ping_burst: Annotated[Count, Flag("--h2-limit-pings", help="PING frames that may come at once.")] = 500
    h2_ping_rate: Annotated[Count, Flag("--h2-limit-ping-rate", help="PING frames allowed again each second.")] = 50
    h2_settings_burst: Annotated[Count, Flag("--h2-limit-settings", help="SETTINGS frames that may come at once.")] = 50
    h2_settings_rate: Annotated[Count, Flag("--h2-limit-settings-rate", help="SETTINGS frames allowed again each second.")] = 5
    h2_empty_data_burst: Annotated[Count, Flag("--h2-limit-empty-data", help="DATA frames with nothing in them that may come at once.")] = (
        100
    )
    h2_empty_data_rate: Annotated[Count, Flag("--h2-limit-empty-data-rate", help="Empty DATA frames allowed again each second.")] = 10
    h2_window_update_burst: Annotated[
        Count,
        Flag(
            "--h2-limit-window-updates",
            help="WINDOW_UPDATE frames that may come at once, beside two for each frame of ours that a window did not cut.",
        ),
    ] = 2000
    h2_window_update_rate: Annotated[
        Count, Flag("--h2-limit-window-update-rate", help="WINDOW_UPDATE frames allowed again each second.")
    ] = 100
    h2_other_frame_burst: Annotated[
        Count,
        Flag(
            "--h2-limit-other-frames", help="Frames that may come at once of priorities, of unknown kinds, and for requests that are over."
        ),
    ] = 1000
    h2_other_frame_rate: Annotated[Count, Flag("--h2-limit-other-frame-rate", help="Such frames allowed again each second.")] = 100
