"""The parts of a multipart form (RFC 7578), on multipart's push parser. Bytes in, parts and their data out; it keeps nothing."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

import msgspec
import multipart  # pyright: ignore[reportMissingTypeStubs]

from pagi.http.media_types import InvalidMediaType, parse_media_type
from pagi.messages.bad_body import BadBody
from pagi.messages.form_limits import DEFAULT_LIMITS, BadForm, FormLimits, TooManyParts

_MOST_HEADERS = 16
"""How many fields the header of a part may have; RFC 7578 knows three."""

_BOUNDARY = re.compile(rb"[ -~]*[!-~]")
_PARAMETER = re.compile(r';[ \t]*(?:([^=;\s"]+)[ \t]*=[ \t]*(?:"(?:\\.|[^"\\])*"|[^\s";]*)[ \t]*)?')
_DISPOSITION = re.compile(rf"[^;]*(?:{_PARAMETER.pattern})*")
_CHARSETS = ("utf-8", "utf8", "us-ascii", "ascii")
_PLAIN_ENCODINGS = ("7bit", "8bit", "binary")


class PartTooLarge(BadBody):
    """A field or file outgrew `FormLimits.max_field_bytes` or `max_file_bytes`."""

    def __init__(self, what: str, name: str, limit: int) -> None:
        super().__init__(f"{what} {name[:100]!r} is over {limit} bytes; raise FormLimits.max_{what}_bytes if such clients are welcome", 413)
        self.limit = limit


class PartHeadTooLarge(BadBody):
    """The header fields of one part outgrew `FormLimits.max_part_header_bytes`."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the header of a part is over {limit} bytes or {_MOST_HEADERS} fields", 413)
        self.limit = limit


class Part(msgspec.Struct, frozen=True):
    """The head of a part. Its data follows."""

    name: str
    filename: str | None
    """None: it is a field, not a file."""
    content_type: str
    headers: Mapping[str, str]
    """By names in lower case."""

    @property
    def is_file(self) -> bool:
        """It has a file name, if only an empty one."""
        return self.filename is not None


class End:
    """The part before is complete."""


END = End()

Piece = Part | bytes | End


class PartReader:
    """Reads one form as its bytes come, in whatever pieces: a `Part`, its data in `bytes`, then `END`, and so on.

    Raises:
        BadForm: the boundary cannot be one.
    """

    def __init__(self, boundary: str, limits: FormLimits = DEFAULT_LIMITS) -> None:
        raw = boundary.encode("latin-1", "replace")
        if len(raw) > limits.max_boundary_bytes or not _BOUNDARY.fullmatch(raw):
            raise BadForm(f"the boundary of a form is 1 to {limits.max_boundary_bytes} visible characters, got {boundary[:100]!r}")
        self._limits = limits
        # What `strict` refuses depends on how the bytes were split (it takes no line end behind the last boundary that comes by
        # itself): we check ourselves. The sizes it bounds are those of one field, a little over what we let all of them have.
        self._parser: Any = multipart.PushMultipartParser(
            raw, max_header_size=limits.max_part_header_bytes + 4, max_header_count=_MOST_HEADERS, header_charset="utf8", strict=False
        )
        self._opening = b"--" + raw
        self._start: bytes | None = b""
        """What came before it was known that the form starts with its boundary; None since it is."""
        self._part: Part | None = None
        self._size = 0
        self._counts = {"fields": 0, "files": 0}

    def feed(self, data: bytes) -> Iterator[Piece]:
        """What is complete with `data`. To be taken to the end before more is fed.

        Raises:
            BadForm: it is malformed.
            TooManyParts: it has too many fields or files.
            PartTooLarge: one of them is too large.
            PartHeadTooLarge: the header of one is.
        """
        if self._start is not None:
            data = self._start + data
            start = data.removeprefix(b"\r\n")
            if not start.startswith(self._opening[: len(start)]) and not b"\r\n".startswith(data):
                raise BadForm("the form does not start with its boundary")
            self._start = data if len(start) < len(self._opening) else None
            if self._start is not None:
                return
        if not data:
            return
        try:
            for event in self._parser.parse(data):
                if event is None:
                    self._part = None
                    yield END
                elif isinstance(event, (bytes, bytearray)):
                    yield self._data(bytes(event))
                else:
                    self._part = self._head(event)
                    self._size = 0
                    yield self._part
        except multipart.ParserLimitReached as error:
            raise PartHeadTooLarge(self._limits.max_part_header_bytes) from error
        except multipart.MultipartError as error:
            raise BadForm(_said(error)) from error

    def finish(self) -> None:
        """Nothing more will come.

        Raises:
            BadForm: the form breaks off before its last boundary.
        """
        try:
            self._parser.close()
        except multipart.MultipartError as error:
            raise BadForm("the form breaks off before its last boundary") from error

    def _head(self, segment: Any) -> Part:
        headers: dict[str, str] = {}
        size = 0
        for key, value in cast("list[tuple[str, str]]", segment.headerlist):
            size += len(key.encode()) + len(value.encode()) + 4  # ": " and CRLF
            if size > self._limits.max_part_header_bytes:
                raise PartHeadTooLarge(self._limits.max_part_header_bytes)
            if key.lower() in headers:
                raise BadForm(f"a part has two {key} fields")
            headers[key.lower()] = value
        name, filename = _names(segment, headers["content-disposition"])
        self._count("fields" if filename is None else "files")
        encoding = headers.get("content-transfer-encoding", "binary").strip().lower()
        if encoding not in _PLAIN_ENCODINGS:
            raise BadBody(f"part {name[:100]!r} is encoded as {encoding[:40]!r}, which forms are not (RFC 7578 section 4.7)", 415)
        return Part(name, filename, _content_type(name, filename, headers.get("content-type")), headers)

    def _count(self, what: str) -> None:
        limit = self._limits.max_fields if what == "fields" else self._limits.max_files
        self._counts[what] += 1
        if self._counts[what] > limit:
            raise TooManyParts(what, limit)

    def _data(self, data: bytes) -> bytes:
        part = self._part
        assert part is not None, "the parser gives no data outside of a part"
        limit = self._limits.max_file_bytes if part.is_file else self._limits.max_field_bytes
        self._size += len(data)
        if limit is not None and self._size > limit:
            raise PartTooLarge("file" if part.is_file else "field", part.name, limit)
        return data


def _names(segment: Any, disposition: str) -> tuple[str, str | None]:
    """The names of a part and of its file. Whoever gives one twice wants two readers to see two things."""
    if not _DISPOSITION.fullmatch(disposition):
        raise BadForm("the Content-Disposition of a part cannot be read")
    given = [name.lower() for name in _PARAMETER.findall(disposition) if name]
    for name in given:
        if given.count(name) > 1:
            raise BadForm(f"a part gives {name[:40]!r} twice")
    if "name" not in given or segment.name is None:
        raise BadForm("a part has no name")
    # RFC 7578 section 4.2: `filename*` MUST NOT be used. Some send it beside `filename`; alone it would make a field of a file.
    if "filename*" in given and "filename" not in given:
        raise BadForm("a part gives its file name as filename* alone, which forms do not (RFC 7578 section 4.2)")
    if ("filename" in given) != (segment.filename is not None):
        raise BadForm("the file name of a part cannot be read")
    return segment.name, segment.filename


def _content_type(name: str, filename: str | None, value: str | None) -> str:
    """The type of a part, without parameters. Text that is not UTF-8 is refused rather than mistaken for it."""
    default = "text/plain" if filename is None else "application/octet-stream"
    if value is None:
        return default
    try:
        media_type = parse_media_type(value)
    except InvalidMediaType:
        return default
    if filename is None and media_type.charset not in (None, *_CHARSETS):
        raise BadBody(f"field {name[:100]!r} is text in {media_type.charset!r}; send UTF-8", 415)
    return media_type.essence


def _said(error: Exception) -> str:
    text = str(error.args[0]) if error.args else "malformed"
    return f"the form is malformed: {text[:1].lower()}{text[1:]}"
