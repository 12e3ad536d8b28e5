"""What a WSGI application says in its thread: `start_response`, `write` and the iterable, as the events of an answer."""

import re
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, TypeAlias, TypeGuard, cast

from pagi.gateway.types import HeaderList, Message
from pagi.gateway.wsgi.file_wrapper import FileWrapper, file_event
from pagi.http.errors import AppError

ExcInfo: TypeAlias = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None] | None

Whole: TypeAlias = tuple[int, HeaderList, bytes]
"""Status, fields and body."""

_STATUS = re.compile(r"[0-9]{3}(?: .*)?", re.DOTALL)
_WITHOUT_BODY = (204, 304)
MOST_JOINED_BYTES = 64 * 1024


class WSGIMistake(AppError):
    """A WSGI application broke PEP 3333."""


class Answer:
    """One answer. `deliver` hands events to the server and waits until it took them; `deliver_whole` a head and all of its body."""

    def __init__(
        self,
        deliver: Callable[[list[Message]], None],
        deliver_whole: Callable[[int, HeaderList, bytes], None],
        check_client: Callable[[], None],
        *,
        is_head: bool = False,
        sends_files: bool = False,
    ) -> None:
        self._deliver = deliver
        self._deliver_whole = deliver_whole
        self._check_client = check_client
        self._is_head = is_head
        self._sends_files = sends_files
        self._status: int | None = None
        self._headers: HeaderList = []
        self._length: int | None = None
        """The Content-Length that the application declared."""
        self._sent = 0
        self._is_whole = False
        self.head_left = False
        """The head was handed over: nothing of it can be changed any more."""

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo = None, /) -> Callable[[bytes], None]:
        """Takes the head, which leaves with the first bytes of the body. Returns `write`.

        Raises:
            WSGIMistake: the status or the headers are none, or the answer was started and there is no error that replaces it.
            BaseException: that of `exc_info`, where the head has left and it is too late to replace it.
        """
        if exc_info is not None and exc_info[1] is not None:
            if self.head_left:
                try:
                    raise exc_info[1].with_traceback(exc_info[2])
                finally:
                    exc_info = None  # no cycle through the traceback
        elif self._status is not None:
            raise WSGIMistake("start_response was called twice; call it once, or with exc_info, the error that replaces the answer")
        self._status, self._headers = _checked_status(status), _checked_headers(headers)
        self._length = next((int(value) for name, value in self._headers if name == b"content-length" and value.isdigit()), None)
        return self.write

    def write(self, data: bytes, /) -> None:
        """Hands over bytes of the body at once, and waits while the client is slow."""
        self._send(_checked_block(data))

    def send_all(self, blocks: Iterable[bytes]) -> Whole | None:
        """Hands over what the application returned, block by block as it comes, and ends the answer.

        Returns the answer itself where all of it is known, nothing of it has left and no `close` waits for its end: the loop sends it
        when the thread is through, which spares going there and back.

        Raises:
            WSGIMistake: it is no iterable of bytes, `start_response` was not called by the time of the first, or there are too many.
            ClientGone: the client left.
        """
        if isinstance(blocks, FileWrapper) and self._sends_files and not self._is_head:
            self._hand_over(file_event(blocks, self._length))
            return None
        if (whole := _joined(blocks)) is not None and not self.head_left:
            return *self._started(), whole
        if self._is_head:
            self._send_head(blocks)
            return None
        for block in _checked_iterable(blocks):
            if _checked_block(block):
                self._send(block)
            else:
                self._check_client()  # an application yields nothing to let others work: it should not do so for nobody
        if not self.head_left:
            self._hand_over_whole(b"")
        elif not self._is_whole:
            self._hand_over({"type": "http.response.body", "body": b"", "more_body": False})
        return None

    def _send_head(self, blocks: Iterable[bytes]) -> None:
        """Nobody will see the body: its first block is asked for, by which the head has to be known, and no more."""
        if not isinstance(blocks, FileWrapper):
            next(iter(_checked_iterable(blocks)), None)
        self._hand_over({"type": "http.response.body", "body": b"", "more_body": False})

    def _send(self, data: bytes) -> None:
        if not data:
            return
        if self._is_whole:
            raise WSGIMistake(f"the body goes on after the {self._length} bytes of its Content-Length; correct the field, or leave it out")
        self._sent += len(data)
        # The length tells that this is the end, before the application says so.
        self._is_whole = self._sent == self._length
        if self._is_whole and not self.head_left:
            self._hand_over_whole(data)
        else:
            self._hand_over({"type": "http.response.body", "body": data, "more_body": not self._is_whole})

    def _hand_over(self, event: Message) -> None:
        """Hands over an event of the body, the head in front of the first."""
        if self.head_left:
            self._deliver([event])
        else:
            status, headers = self._started()
            self._deliver([{"type": "http.response.start", "status": status, "headers": headers}, event])
            self.head_left = True

    def _hand_over_whole(self, body: bytes) -> None:
        self._deliver_whole(*self._started(), body)
        self.head_left = True

    def _started(self) -> tuple[int, HeaderList]:
        if self._status is None:
            raise WSGIMistake("the application gave a body, or the end of one, before it called start_response; call it first")
        return self._status, self._headers


def with_length(status: int, headers: HeaderList, body: bytes) -> HeaderList:
    """The fields of an answer whose body is known, with its Content-Length."""
    if status in _WITHOUT_BODY or any(name == b"content-length" for name, _ in headers):
        return headers
    return [*headers, (b"content-length", b"%d" % len(body))]


def _checked_status(status: object) -> int:
    if not isinstance(status, str) or _STATUS.fullmatch(status) is None:
        raise WSGIMistake(f"a status must be text such as '200 OK', got {status!r:.64}")
    return int(status[:3])


def _checked_headers(headers: object) -> HeaderList:
    if not _is_list(headers):
        raise WSGIMistake(f"headers must be a list of pairs of text (str), got {type(headers).__name__}")
    checked: HeaderList = []
    for pair in headers:
        try:
            name, value = pair
            checked.append((name.encode("latin-1").lower(), value.encode("latin-1")))
        except (AttributeError, TypeError, ValueError):  # an encoding error is a ValueError
            raise WSGIMistake(f"a header must be a pair of text (str) whose characters are bytes, got {pair!r:.64}") from None
    return checked


def _is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _checked_iterable(blocks: object) -> Iterable[bytes]:
    if isinstance(blocks, (str, bytes, bytearray)):
        raise WSGIMistake(f"the application returned {type(blocks).__name__}, not an iterable of bytes; return a list with it: [body]")
    if not isinstance(blocks, Iterable):
        raise WSGIMistake(f"the application returned {type(blocks).__name__}, not an iterable of bytes")
    return cast("Iterable[bytes]", blocks)


def _joined(blocks: object) -> bytes | None:
    """All blocks at once where all of them are here and small, so that their length can be told; None where they are not."""
    if hasattr(blocks, "close") or not isinstance(blocks, (list, tuple)):
        return None
    known = [_checked_block(block) for block in cast("list[object]", blocks)]
    return b"".join(known) if len(known) < 2 or sum(map(len, known)) <= MOST_JOINED_BYTES else None


def _checked_block(block: object) -> bytes:
    if not isinstance(block, bytes):
        raise WSGIMistake(f"a block of the body must be bytes, got {type(block).__name__}; encode it")
    return block
