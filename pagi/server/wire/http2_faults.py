"""What a peer does wrong on HTTP/2, by how much it costs it: the connection or a stream (RFC 9113 section 5.4)."""

from pagi.http.errors import PeerError
from pagi.server.wire.http2_frames import Code


class ConnectionFault(PeerError):
    """The connection cannot go on. `status` is for the log: an answer is not possible."""

    def __init__(self, code: Code, detail: str, status: int = 400) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.status = status


class StreamFault(PeerError):
    """A stream cannot go on; the connection can."""

    def __init__(self, stream_id: int, code: Code, detail: str) -> None:
        super().__init__(detail)
        self.stream_id = stream_id
        self.code = code
        self.detail = detail
