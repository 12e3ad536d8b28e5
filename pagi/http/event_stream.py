"""The event-stream format (HTML living standard section 9.2): written whole, read piecemeal; no transport, no clock."""

import re
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import msgspec

from pagi.http.errors import AppError, PeerError

T_co = TypeVar("T_co", covariant=True)

MAX_EVENT_BYTES = 1024 * 1024
"""How large one event may grow before `Decoder` refuses it."""

_LINE_END = re.compile(rb"\r\n|\n|\r")
_BOM = b"\xef\xbb\xbf"
_MAX_RETRY_DIGITS = 15
_BINARY: frozenset[type] = frozenset({bytes, bytearray, memoryview})

_encode_json = msgspec.json.Encoder().encode
_decode_json = msgspec.json.Decoder().decode


class InvalidEvent(AppError, ValueError):
    """A part of an event that the format cannot carry."""


class EventTooLarge(PeerError):
    """A received event outgrew the limit before its blank line came."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"event of {size} bytes or more, the limit is {limit}; raise max_event_bytes if such events are welcome")
        self.size = size
        self.limit = limit


class _Payload(msgspec.Struct, Generic[T_co], frozen=True, eq=False):
    data: T_co


class Event(_Payload[T_co], Generic[T_co], frozen=True, kw_only=True, eq=False):
    """One server-sent event. `data` that is `str` goes as it is, anything else as JSON.

    `event` is its type (None: `message`), `id` what a client sends as Last-Event-ID when it comes back, `retry` the
    milliseconds it should wait before that, `comment` a note that clients ignore.

    Raises:
        InvalidEvent: `data` is bytes, `event` or `id` has a line end, `id` a NUL, `retry` is no whole number from 0.
    """

    event: str | None = None
    id: str | None = None
    retry: int | None = None
    comment: str | None = None

    def __post_init__(self) -> None:
        if type(self.data) in _BINARY:
            raise InvalidEvent(f"data of an event is text or JSON, got {type(self.data).__name__}; decode it first")
        if self.event is not None or self.id is not None or self.retry is not None:
            _check_fields(self.event, self.id, self.retry)

    @property
    def text(self) -> str:
        """The data as it stands on the wire: the text itself, or the JSON."""
        return self.data if isinstance(self.data, str) else _to_json(self.data).decode()

    def _parts(self) -> tuple[object, ...]:
        return (self.data, self.event, self.id, self.retry, self.comment)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Event) and self._parts() == other._parts()  # pyright: ignore[reportUnknownMemberType]

    def __hash__(self) -> int:
        return hash(self._parts())


class ReceivedEvent(Event[Any], frozen=True, kw_only=True, eq=False):
    """An event off the wire: `data` is decoded where it is JSON and the text otherwise, `source` is always the text."""

    source: str

    @property
    def text(self) -> str:
        return self.source


def _check_fields(event: str | None, id: str | None, retry: int | None) -> None:
    for name, value in (("event", event), ("id", id)):
        if value is not None and ("\n" in value or "\r" in value):
            raise InvalidEvent(f"{name} {value!r} of an event holds a line end, which would start another field; remove it")
    if id is not None and "\0" in id:
        raise InvalidEvent(f"id {id!r} of an event holds NUL, and clients ignore such ids; remove it")
    if retry is not None and (type(retry) is not int or retry < 0):
        raise InvalidEvent(f"retry of an event is whole milliseconds from 0, got {retry!r}")


def _to_json(data: object) -> bytes:
    try:
        return _encode_json(data)
    except (TypeError, ValueError, msgspec.MsgspecError) as error:
        raise InvalidEvent(f"data of an event, a {type(data).__name__}, cannot be written as JSON: {error}") from error


def _to_utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise _no_utf8(error) from error


def _no_utf8(error: UnicodeEncodeError) -> InvalidEvent:
    return InvalidEvent(f"text of an event holds a lone surrogate at index {error.start}; it has no UTF-8 form")


def encode(event: Event[object], to_json: Callable[[Any], bytes] = _to_json) -> bytes:
    """One event as it goes on the wire, blank line included. What is no text becomes JSON by `to_json`.

    >>> encode(Event({"n": 1}, event="tick", id="5"))
    b'event: tick\\ndata: {"n":1}\\nid: 5\\n\\n'

    Raises:
        InvalidEvent: the data cannot be written as JSON, or text has no UTF-8 form.
    """
    data = event.data
    if event.event is None and event.id is None and event.retry is None and event.comment is None:
        if isinstance(data, str):
            return encode_text(data)
        return encode_json(to_json(data))
    # The fields were looked at when the event was made, and it cannot change.
    return _compose(data if isinstance(data, str) else to_json(data).decode(), event.event, event.id, event.retry, event.comment)


def encode_text(data: str) -> bytes:
    """An event that is nothing but text.

    >>> encode_text("one\\ntwo")
    b'data: one\\ndata: two\\n\\n'

    Raises:
        InvalidEvent: the text has no UTF-8 form.
    """
    if "\n" in data or "\r" in data:
        data = _lines(data, "data: ")
    try:
        return f"data: {data}\n\n".encode()
    except UnicodeEncodeError as error:
        raise _no_utf8(error) from error


def encode_json(data: bytes) -> bytes:
    """An event that is nothing but JSON, already written."""
    # msgspec.Raw comes through as it was written, line ends and all.
    if b"\n" in data or b"\r" in data:
        return encode_text(data.decode())
    return b"data: " + data + b"\n\n"


def encode_event(
    data: str | None,
    event: str | None = None,
    id: str | None = None,
    retry: int | None = None,
    comment: str | None = None,
) -> bytes:
    """One event from its parts, `data` being text; None leaves a field out, as does an empty `event` or `id`.

    Each line of `data` gets a field of its own, whichever of CRLF, LF and CR ends it, and clients join them by LF. Without
    `data` clients take over `id` and `retry` and dispatch nothing.

    >>> encode_event("one\\r\\ntwo", retry=3000)
    b'data: one\\ndata: two\\nretry: 3000\\n\\n'

    Raises:
        InvalidEvent: `event` or `id` has a line end, `id` a NUL, `retry` is no whole number from 0, or text has no UTF-8 form.
    """
    if data is not None and event is None and id is None and retry is None and comment is None:
        return encode_text(data)
    _check_fields(event, id, retry)
    return _compose(data, event, id, retry, comment)


def _compose(data: str | None, event: str | None, id: str | None, retry: int | None, comment: str | None) -> bytes:
    parts: list[str] = []
    if comment is not None:
        parts.append(f":{_lines(comment.removeprefix(':'), ':')}\n")
    if event:
        parts.append(f"event: {event}\n")
    if data is not None:
        parts.append(f"data: {_lines(data, 'data: ')}\n")
    if id:
        parts.append(f"id: {id}\n")
    if retry is not None:
        parts.append(f"retry: {retry}\n")
    parts.append("\n")
    return _to_utf8("".join(parts))


def encode_comment(text: str) -> bytes:
    """A comment, which clients skip: what keeps an idle stream alive. A leading colon of `text` is not doubled.

    >>> encode_comment("ping"), encode_comment("")
    (b':ping\\n\\n', b':\\n\\n')

    Raises:
        InvalidEvent: the text has no UTF-8 form.
    """
    return _to_utf8(f":{_lines(text.removeprefix(':'), ':')}\n\n")


def encode_retry(milliseconds: int) -> bytes:
    """The reconnection time alone, as a line that joins the next event: clients take it over at once.

    No blank line: the HTML standard dispatches nothing for a block without data, but not every client keeps to that.

    >>> encode_retry(3000)
    b'retry: 3000\\n'

    Raises:
        InvalidEvent: it is no whole number from 0.
    """
    _check_fields(None, None, milliseconds)
    return b"retry: %d\n" % milliseconds


def _lines(text: str, prefix: str) -> str:
    """`text` with its line ends made LF and `prefix` before every line but the first."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.replace("\n", f"\n{prefix}") if "\n" in text else text


class Decoder:
    """Reads an event stream as a browser does (HTML living standard section 9.2.6), in pieces of any size.

    An event comes out with the blank line that ends it; what the stream leaves unfinished is lost, as the standard says.
    `id` of an event is what that event carried; `last_event_id` is what a client would send when it comes back. Unlike a
    browser it keeps the comment of an event that has data. After `EventTooLarge` it is of no further use.

    >>> decoder = Decoder()
    >>> decoder.feed(b"id: 1\\nda"), decoder.feed(b"ta: [1]\\n\\n")[0].data, decoder.last_event_id
    ([], [1], '1')
    """

    __slots__ = (
        "_comment",
        "_data",
        "_event",
        "_id",
        "_max_event_bytes",
        "_pending",
        "_size",
        "_skip_line_feed",
        "_started",
        "last_event_id",
        "retry",
    )

    last_event_id: str
    """The newest id of a finished event; empty until one came."""

    retry: int | None
    """The newest reconnection time in milliseconds; None until one came."""

    def __init__(self, *, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self.last_event_id = ""
        self.retry = None
        self._max_event_bytes = max_event_bytes
        self._pending: list[bytes] = []
        self._size = 0
        self._skip_line_feed = False
        self._started = False
        self._reset()

    def _reset(self) -> None:
        self._data: list[str] = []
        self._event: str | None = None
        self._id: str | None = None
        self._comment: list[str] = []
        self._size = 0

    def feed(self, data: bytes) -> list[ReceivedEvent]:
        """Takes the next bytes and returns the events they finish, usually none or one.

        Raises:
            EventTooLarge: an event outgrew `max_event_bytes`; its lines, comments included, are counted together.
        """
        events: list[ReceivedEvent] = []
        if not data:
            return events
        if self._skip_line_feed and data.startswith(b"\n"):
            data = data[1:]
        # A CR ends its line at once, lest the event wait for a byte that may never come; an LF after it is no second end.
        self._skip_line_feed = data.endswith(b"\r")
        *lines, rest = _LINE_END.split(data)
        for line in lines:
            self._count(len(line) + 1)
            if self._pending:
                line = b"".join([*self._pending, line])
                self._pending.clear()
            if not self._started:
                self._started = True
                line = line.removeprefix(_BOM)
            if line:
                self._field(line)
            else:
                event = self._dispatch()
                if event is not None:
                    events.append(event)
        if rest:
            self._count(len(rest))
            self._pending.append(rest)
        return events

    def _count(self, size: int) -> None:
        self._size += size
        if self._size > self._max_event_bytes:
            raise EventTooLarge(self._size, self._max_event_bytes)

    def _field(self, line: bytes) -> None:
        name, _, encoded = line.partition(b":")
        if name == b"data":
            self._data.append(encoded.removeprefix(b" ").decode("utf-8", "replace"))
        elif not name:
            self._comment.append(encoded.decode("utf-8", "replace"))
        elif name == b"event":
            self._event = encoded.removeprefix(b" ").decode("utf-8", "replace")
        elif name == b"id":
            if b"\0" not in encoded:
                self._id = encoded.removeprefix(b" ").decode("utf-8", "replace")
        elif name == b"retry":
            digits = encoded.removeprefix(b" ")
            # More digits than any clock needs are ignored like anything else that is no number.
            if digits.isdigit() and len(digits) <= _MAX_RETRY_DIGITS:
                self.retry = int(digits)

    def _dispatch(self) -> ReceivedEvent | None:
        event = None
        if self._id is not None:
            self.last_event_id = self._id
        if self._data:
            text = "\n".join(self._data)
            event = ReceivedEvent(
                _from_json(text),
                event=self._event or None,
                id=self._id,
                comment="\n".join(self._comment) if self._comment else None,
                source=text,
            )
        self._reset()
        return event


def _from_json(text: str) -> object:
    try:
        return _decode_json(text)
    except (msgspec.DecodeError, RecursionError):
        return text
