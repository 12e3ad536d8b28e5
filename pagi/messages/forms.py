"""Forms, urlencoded and multipart, read whole into memory."""

from typing import Self

from pagi.http import query
from pagi.http.media_types import InvalidMediaType, MediaType, parse_media_type
from pagi.http.query import TooManyFields, split_urlencoded
from pagi.messages.bad_body import BadBody
from pagi.messages.form_limits import DEFAULT_LIMITS, BadForm, FormLimits, TooManyParts
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
            from pagi.messages.multipart_form import read_parts  # it is large, and loaded by who needs it

            return cls(read_parts(kind.parameters.get("boundary", ""), body, limits))
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
