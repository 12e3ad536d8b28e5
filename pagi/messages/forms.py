"""Forms, urlencoded and multipart, read whole into memory."""

from typing import Self

from pagi.http import query
from pagi.http.media_types import InvalidMediaType, MediaType, parse_media_type
from pagi.http.query import TooManyFields, split_urlencoded
from pagi.messages.bad_body import BadBody
from pagi.messages.multipart_parts import DEFAULT_LIMITS, END, BadForm, FormLimits, Part, PartReader, TooManyParts
from pagi.messages.uploads import UploadFile

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"


class FormData(query.FormData[str | UploadFile]):
    """The fields of a form in order: text, and files. Names may repeat; `form["a"]` is the last one."""

    __slots__ = ()

    @property
    def files(self) -> list[tuple[str, UploadFile]]:
        """Every file with the name of its field."""
        return [(name, value) for name, value in self.items() if isinstance(value, UploadFile)]

    @property
    def texts(self) -> list[tuple[str, str]]:
        """Every field that is no file."""
        return [(name, value) for name, value in self.items() if isinstance(value, str)]

    def get_file(self, name: str) -> UploadFile | None:
        """The last file of that name; None where there is none, or a text."""
        return next((value for value in reversed(self.get_all(name)) if isinstance(value, UploadFile)), None)

    def get_files(self, name: str) -> list[UploadFile]:
        """Every file of that name."""
        return [value for value in self.get_all(name) if isinstance(value, UploadFile)]

    def get_text(self, name: str) -> str | None:
        """The last text of that name; None where there is none, or a file."""
        return next((value for value in reversed(self.get_all(name)) if isinstance(value, str)), None)

    @classmethod
    def parse(cls, kind: MediaType, body: bytes, limits: FormLimits = DEFAULT_LIMITS) -> Self:
        """Reads a whole body of the type `kind`, one of the two that forms have.

        Raises:
            BadBody: it is malformed (400), past a limit (413), or not text as it should be.
        """
        if kind.essence == MULTIPART:
            return cls(_read_parts(kind.parameters.get("boundary", ""), body, limits))
        try:
            return cls(split_urlencoded(body, max_fields=limits.max_fields))
        except TooManyFields as error:
            raise TooManyParts("fields", limits.max_fields) from error


def form_type(content_type: str) -> MediaType:
    """The type of a form, as its Content-Type says.

    Raises:
        BadBody: it is no form (415), or a multipart one without a boundary.
    """
    try:
        kind = parse_media_type(content_type)
    except InvalidMediaType:
        kind = None
    if kind is None or kind.essence not in (URLENCODED, MULTIPART):
        raise BadBody(f"a form was expected, of type {URLENCODED} or {MULTIPART}, got {content_type[:100] or 'no type'!r}", 415)
    if kind.essence == MULTIPART and not kind.parameters.get("boundary"):
        raise BadForm(f"{MULTIPART} comes without its boundary; let the client make the Content-Type that it belongs in")
    return kind


def _read_parts(boundary: str, body: bytes, limits: FormLimits) -> list[tuple[str, str | UploadFile]]:
    reader = PartReader(boundary, limits)
    fields: list[tuple[str, str | UploadFile]] = []
    part: Part | None = None
    pieces: list[bytes] = []
    for piece in reader.feed(body):
        if isinstance(piece, Part):
            part, pieces = piece, []
        elif isinstance(piece, bytes):
            pieces.append(piece)
        elif piece is END and part is not None:
            value = _value(part, b"".join(pieces))
            if value is not None:
                fields.append((part.name, value))
    reader.finish()
    return fields


def _value(part: Part, data: bytes) -> str | UploadFile | None:
    """What a part stands for; nothing where no file was chosen."""
    if part.filename is not None:
        if not part.filename and not data:
            return None  # what browsers send for an empty file input
        return UploadFile(data, filename=part.filename, content_type=part.content_type, headers=part.headers)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise BadForm(f"field {part.name[:100]!r} is no text in UTF-8: {error.reason} at byte {error.start}") from error
    # HTML fills a field of this name with the charset that the form was sent in (RFC 7578 section 4.6).
    if part.name == "_charset_" and text.strip().lower() not in ("", "utf-8", "utf8", "us-ascii"):
        raise BadBody(f"the form is in {text[:40]!r}; send UTF-8", 415)
    return text
