"""A multipart form read whole. Loaded with the first such form: its parser takes 1.4 MiB, which most applications never need."""

from pagi.messages.bad_body import BadBody
from pagi.messages.form_limits import BadForm, FormLimits
from pagi.messages.multipart_parts import END, Part, PartReader
from pagi.messages.uploads import UploadFile


def read_parts(boundary: str, body: bytes, limits: FormLimits) -> list[tuple[str, str | UploadFile]]:
    """The fields and files of a body.

    Raises:
        BadBody: it is malformed (400), past a limit (413), or not text as it should be.
    """
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
