"""What ends a session or stream from outside: the server that closes, or a client that left long ago."""

import anyio

from pagi.gateway.connection import ConnectionHandle


class Leash:
    """Cancels a scope, for whichever of the two comes first. One small object: every idle connection keeps it."""

    __slots__ = ("_scope",)

    def __init__(self, scope: anyio.CancelScope) -> None:
        self._scope = scope

    def __call__(self, _deadline: float = 0.0) -> None:
        self._scope.cancel()


def hold(connection: ConnectionHandle, scope: anyio.CancelScope) -> None:
    """Has `scope` cancelled when the server closes and the handler does not listen, and when nobody reads any more."""
    leash = Leash(scope)
    connection.on_abandoned(leash)
    connection.on_drain(leash)
