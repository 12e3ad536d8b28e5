"""How much a form may hold, and what is said to whoever sends more. Apart from the reader: most applications never load it."""

import msgspec

from pagi.messages.bad_body import BadBody

KIB = 1024
MIB = 1024 * KIB


class FormLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much a form may hold. The whole of it is bounded by the server's limit of a body."""

    max_fields: int = 1000
    max_files: int = 100
    max_field_bytes: int = MIB
    """Of one field of a multipart form."""
    max_file_bytes: int | None = None
    """Of one file; None: as much as a body may have."""
    max_part_header_bytes: int = 8 * KIB
    """The header fields of one part together."""
    max_boundary_bytes: int = 70
    """RFC 2046 section 5.1.1."""


DEFAULT_LIMITS = FormLimits()


class BadForm(BadBody):
    """The body is no well-formed form."""


class TooManyParts(BadBody):
    """A form has more fields or files than `FormLimits` allows."""

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(f"the form has more than {limit} {what}; raise FormLimits.max_{what} if such clients are welcome", 413)
        self.limit = limit
