"""Refusals as exceptions, and their bodies: RFC 9457 problem details."""

from collections.abc import Mapping
from http import HTTPStatus

import msgspec

from pagi.http.errors import PeerError
from pagi.messages.response import HeadersLike, Response, checked_status, raw_pairs, whole

PROBLEM_TYPE = (b"content-type", b"application/problem+json")


class HTTPException(Exception):
    """Raised anywhere to refuse: a problem response for http, a declined stream, a denied handshake.

    `detail` goes to the client; without it the status speaks for itself.

    Raises:
        ValueError: `status` is not within 200 to 599.
    """

    members: Mapping[str, object] = {}
    """What the problem details say beside the registered members (RFC 9457 section 3.2)."""

    def __init__(self, status: int, detail: str | None = None, *, headers: HeadersLike | None = None) -> None:
        self.status = checked_status(status)
        self.detail = detail
        self.headers = headers
        super().__init__(f"{status} {detail or phrase(status)}")


def phrase(status: int) -> str:
    """The reason phrase of a status, or a plain word for one that is not registered.

    >>> phrase(404)
    'Not Found'
    """
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error" if status >= 400 else "Answer"


def problem(
    status: int, detail: str | None = None, headers: HeadersLike | None = None, *, members: Mapping[str, object] | None = None
) -> Response:
    """A response of problem details (RFC 9457 section 3), with extension members where there are any."""
    fields: dict[str, object] = {"type": "about:blank", "title": phrase(status), "status": status}
    if detail is not None:
        fields["detail"] = detail
    fields.update(members or ())
    pairs = raw_pairs(headers) if headers is not None else []
    if status in (204, 304):
        return whole(b"", pairs, status)
    return whole(msgspec.json.encode(fields), [PROBLEM_TYPE, *pairs], status)


def answer_to(error: HTTPException | PeerError) -> Response:
    """The response that a refusal, or a mistake of the client, stands for."""
    if isinstance(error, HTTPException):
        return problem(error.status, error.detail, error.headers, members=error.members)
    return problem(error.status, str(error))
