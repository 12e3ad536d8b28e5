"""What a body is answered with that is not what it says it is."""

from pagi.http.errors import PeerError


class BadBody(PeerError):
    """The body is not what it says it is. `status` is 400, 413 past a limit, or 415 for a type that is not understood."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status
