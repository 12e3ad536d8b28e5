"""Why an exchange ended: one vocabulary for handles, events and logs, and one table of what each word means."""

import enum


class Reason(enum.StrEnum):
    """The word that says why an exchange ended early; `""` is never used."""

    CLIENT_CLOSED = "client_closed"
    CLIENT_TIMEOUT = "client_timeout"
    IDLE_TIMEOUT = "idle_timeout"
    KEEPALIVE_TIMEOUT = "keepalive_timeout"
    WRITE_TIMEOUT = "write_timeout"
    WRITE_ERROR = "write_error"
    READ_ERROR = "read_error"
    PROTOCOL_ERROR = "protocol_error"
    BODY_TOO_LARGE = "body_too_large"
    QUEUE_OVERFLOW = "queue_overflow"
    SERVER_SHUTDOWN = "server_shutdown"
    SERVER_ERROR = "server_error"


MEANING: dict[Reason, str] = {
    Reason.CLIENT_CLOSED: "the client closed the connection, the stream or the WebSocket",
    Reason.CLIENT_TIMEOUT: "the client stopped sending a body it had announced",
    Reason.IDLE_TIMEOUT: "nothing moved in either direction for longer than the idle limit",
    Reason.KEEPALIVE_TIMEOUT: "a ping stayed unanswered",
    Reason.WRITE_TIMEOUT: "the client stopped reading what was sent",
    Reason.WRITE_ERROR: "the operating system refused our bytes (reset, broken pipe)",
    Reason.READ_ERROR: "reading from the connection failed",
    Reason.PROTOCOL_ERROR: "the client broke HTTP or the WebSocket protocol",
    Reason.BODY_TOO_LARGE: "the request body outgrew its limit",
    Reason.QUEUE_OVERFLOW: "more messages waited for the application than its queue may hold",
    Reason.SERVER_SHUTDOWN: "the server stopped and the deadline had passed",
    Reason.SERVER_ERROR: "the application failed, or broke the agreement",
}


class Outcome(enum.StrEnum):
    """How an exchange ended, as cleanup code and logs see it."""

    SENT = "sent"
    """The operating system took the whole answer. It is no receipt from the client."""
    CLIENT_CLOSED = "client_closed"
    WRITE_TIMEOUT = "write_timeout"
    SERVER_SHUTDOWN = "server_shutdown"
    ERROR = "error"


_OUTCOME = {
    Reason.WRITE_TIMEOUT: Outcome.WRITE_TIMEOUT,
    Reason.SERVER_SHUTDOWN: Outcome.SERVER_SHUTDOWN,
    Reason.SERVER_ERROR: Outcome.ERROR,
    Reason.PROTOCOL_ERROR: Outcome.ERROR,
    Reason.BODY_TOO_LARGE: Outcome.ERROR,
    Reason.QUEUE_OVERFLOW: Outcome.ERROR,
}


def outcome_of(reason: Reason | None) -> Outcome:
    """The outcome that a disconnect reason stands for; None means that the answer was sent.

    >>> outcome_of(None), outcome_of(Reason.IDLE_TIMEOUT)
    (<Outcome.SENT: 'sent'>, <Outcome.CLIENT_CLOSED: 'client_closed'>)
    """
    if reason is None:
        return Outcome.SENT
    return _OUTCOME.get(reason, Outcome.CLIENT_CLOSED)


class ClientGone(OSError):
    """Raised by `send` when the client has left or was cut off. Never logged as an error.

    It is an `OSError`, as ASGI 2.4 asks, so that frameworks written for ASGI stop their streams on it.
    """

    def __init__(self, reason: Reason = Reason.CLIENT_CLOSED) -> None:
        super().__init__(f"the client is gone ({reason.value}): {MEANING[reason]}")
        self.reason = reason
