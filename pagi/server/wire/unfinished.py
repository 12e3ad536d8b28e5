"""Heads that have not ended, or ended too late (RFC 9112 sections 2.2 and 3): which of them can no longer become good ones."""

import re

from pagi.server.wire.head_gate import RequestRefused

_HOPELESS = re.compile(rb"(?<!\r)\n|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_TOKEN_BYTES = frozenset(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


def judge_unfinished(data: bytes, start: int, scanned: int, end: int, limit: int) -> None:
    """Looks at the head in `data` that starts at `start` and ends at `end` (-1: not yet), of which all before `scanned` was seen.

    Raises:
        RequestRefused: 414 or 431 past `limit` bytes; 400 for a bare LF, a control byte, or a first byte that begins no method,
            as a TLS hello's. Who sends those would else wait for an answer until the deadline.
    """
    if data[start] not in _TOKEN_BYTES:
        raise RequestRefused(400, f"byte {data[start]:#04x} begins no request line; is this TLS, or another protocol?")
    hopeless = None if end >= 0 else _HOPELESS.search(data, scanned)
    if hopeless is not None:
        what = "a line ending in LF alone" if hopeless[0] == b"\n" else f"the control byte {hopeless[0][0]:#04x}"
        raise RequestRefused(400, f"{what} in the request head")
    if (len(data) if end < 0 else end + 4) - start <= limit:
        return
    if data.find(b"\r\n", start, start + limit) < 0:
        raise RequestRefused(414, f"request line is over {limit} bytes; raise max_head_bytes if such clients are welcome")
    raise RequestRefused(431, f"request head is over {limit} bytes; raise max_head_bytes if such clients are welcome")
