"""What one exchange left behind, raw: every form of the access log reads its line from here."""

from collections.abc import Mapping
from typing import Any

import msgspec

from pagi.gateway.types import HeaderList

NO_FIELDS: HeaderList = []
"""Of an exchange whose answer's fields nobody asked for. Never changed."""


class Ended(msgspec.Struct, gc=False):
    """One exchange that is over, or a request that never became one (`kind` is `refused`)."""

    scope: Mapping[str, Any]
    """As the application left it."""
    method: str
    status: int
    bytes_sent: int
    """Of the body, without its framing."""
    seconds: float
    """From its head to its last byte."""
    reason: str | None
    """Why it ended early; None after a clean end."""
    headers: HeaderList
    """The answer's fields as the application gave them; empty unless the format asks for one."""
    when: int
    """The moment of writing, in whole seconds since the epoch."""

    @property
    def kind(self) -> str:
        """`http`, `websocket`, `sse` or `refused`."""
        kind: str = self.scope["type"]
        return kind


def refused(client: tuple[str, int] | None, status: int, detail: str, when: int) -> Ended:
    """What is known of a request that was refused before it was one: who sent it, and why it was refused."""
    scope: dict[str, Any] = {"type": "refused", "raw_path": b"-", "query_string": b"", "http_version": "-", "headers": NO_FIELDS}
    if client is not None:
        scope["client"] = client
    return Ended(scope, "-", status, 0, 0.0, detail, NO_FIELDS, when)
