"""What every answer carries beside the application's own fields."""

from typing import Annotated

import msgspec

from pagi.gateway.types import HeaderList
from pagi.http.errors import ConfigError
from pagi.http.headers import HOP_BY_HOP, InvalidHeader, encode_name, encode_value
from pagi.server.options.flag import Flag

_FRAMING = HOP_BY_HOP | {"content-length"}


class AnswerOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Fields of every answer, whoever gives it."""

    date_header: Annotated[bool, Flag("--date-header", help="A Date field, where the application gives none.")] = True
    server_header: Annotated[bool, Flag("--server-header", help="A Server field that says pagi, where the application gives none.")] = True
    extra_headers: Annotated[
        tuple[str, ...],
        Flag(
            "--header",
            help="One more field, as 'Name: value'. May be given again.",
            unit="FIELD",
            separator="\n",
        ),
    ] = ()

    def __post_init__(self) -> None:
        self.fields()

    def fields(self) -> HeaderList:
        """The extra fields, as they go out.

        >>> AnswerOptions(extra_headers=("X-Frame-Options: DENY",)).fields()
        [(b'x-frame-options', b'DENY')]

        Raises:
            ConfigError: one is no field, or one that the framing of an answer is made of.
        """
        fields: HeaderList = []
        for text in self.extra_headers:
            name, colon, value = (part.strip() for part in text.partition(":"))
            if not colon:
                raise ConfigError(f"the extra header {text!r:.80} is not 'Name: value'")
            if name.lower() in _FRAMING:
                raise ConfigError(f"the extra header {name} belongs to the framing of an answer, which the server writes; leave it out")
            try:
                fields.append((encode_name(name), encode_value(name, value)))
            except InvalidHeader as error:
                raise ConfigError(f"the extra header {text!r:.80} cannot be sent: {error}") from error
        return fields
