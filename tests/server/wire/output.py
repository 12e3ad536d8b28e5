"""What an engine has to write, where no part of a file is among it."""

from typing import Protocol

from pagi.server.wire.engine import Part


class Writing(Protocol):
    """An engine, or what writes for one."""

    def take_output(self) -> list[Part]: ...


def taken(wire: Writing) -> list[bytes]:
    """The parts that it gives."""
    parts: list[bytes] = []
    for part in wire.take_output():
        assert isinstance(part, bytes)
        parts.append(part)
    return parts


def joined(wire: Writing) -> bytes:
    """All of it."""
    return b"".join(taken(wire))
