"""Server options as an operator spells them: flag, environment variable, key of a file. Made from the option structs, never by hand."""

import math
import re
from collections.abc import Iterable, Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import msgspec

from pagi.server.options import Flag, ServerOptions, option_fields

BINARY_UNITS = ((1024 * 1024, "MiB"), (1024, "KiB"))
PLATFORM_NAMES = {"port": ("PORT",), "forwarded_allow_ips": ("FORWARDED_ALLOW_IPS",), "workers": ("WEB_CONCURRENCY",)}
"""Variables that hosting platforms set. They count after our own name and before the files."""

MODE = re.compile("0o?[0-7]{2,3}")

SWITCH_WORDS = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


class ServerFlag(msgspec.Struct, frozen=True, kw_only=True):
    """One server option in all its spellings.

    >>> port = server_flags()["port"]
    >>> port.flag, port.environment, port.key, port.unit
    ('--port', ('PAGI_PORT', 'PORT'), 'port', 'NUMBER')
    """

    name: str
    """As `pagi.serve` takes it."""
    group: str
    """The field of `ServerOptions` that holds it."""
    flag: str
    help: str
    annotation: Any
    default: Any
    own_unit: str | None = None
    """What its struct says that a value is, where neither name nor type tells."""
    separator: str = ","
    """What stands between the values of a list, in a text."""

    @property
    def key(self) -> str:
        """Its key in `[tool.pagi.server]`: the flag without the dashes in front."""
        return self.flag.removeprefix("--")

    @property
    def environment(self) -> tuple[str, ...]:
        """Its environment variables, strongest first."""
        return ("PAGI_" + self.key.upper().replace("-", "_"), *PLATFORM_NAMES.get(self.name, ()))

    @property
    def kind(self) -> Any:
        """Its type, without bounds and notes and without None; of a list the type of what is in it."""
        return _bare(self.annotation)

    @property
    def words(self) -> tuple[str, ...]:
        """What it may be instead of a number, such as `auto`."""
        alternatives = get_args(get_args(self.annotation)[0])
        return tuple(word for kind in alternatives if get_origin(kind) is Literal for word in get_args(kind))

    @property
    def is_switch(self) -> bool:
        """True for on and off: `--x` and `--no-x`. One that is neither of them by default decides for itself."""
        return self.kind is bool

    @property
    def is_list(self) -> bool:
        """True for several values: the flag may be given again, and a text holds them with `separator` between."""
        return get_origin(get_args(self.annotation)[0]) is tuple

    @property
    def is_secret(self) -> bool:
        """True for one whose value is not to be shown to anybody."""
        return self.name.endswith("_password")

    @property
    def choices(self) -> tuple[str, ...]:
        """The words it may be; empty if it is not an option of few words."""
        return get_args(self.kind) if get_origin(self.kind) is Literal else ()

    @property
    def unit(self) -> str:
        """What a value counts, or is: said by its struct, else read from the option's name and type."""
        if self.own_unit is not None:
            return self.own_unit
        if self.is_list:
            return "LIST"
        for suffix in ("bytes", "seconds", "mode"):
            if self.name.endswith(f"_{suffix}"):
                return suffix.upper()
        if self.name == "umask":
            return "MODE"
        return "NUMBER" if self.kind is int else "TEXT"

    @property
    def spelling(self) -> str:
        """As one writes it on the command line; both forms if it is a switch."""
        return f"{self.flag}/--no-{self.key}" if self.is_switch else self.flag

    @property
    def shown_default(self) -> str:
        """The default in a person's words.

        >>> flags = server_flags()
        >>> flags["max_body_bytes"].shown_default, flags["keep_alive_seconds"].shown_default, flags["access_log"].shown_default
        ('100 MiB', '5 s', 'on')
        """
        if self.is_switch:
            return {True: "on", False: "off", None: "auto"}[self.default]
        if self.default is None or self.default == "":
            return "none"
        if self.is_list:
            return self.separator.join(self.default) or "none"
        if self.unit == "SECONDS":
            return f"{self.default:g} s"
        if self.unit == "BYTES":
            return in_binary_units(self.default)
        return str(self.default)

    def read(self, text: str) -> Any:
        """The value that a text stands for, as flags and variables give it.

        >>> server_flags()["port"].read("8080")
        8080

        Raises:
            ValueError: it stands for none that this option can have; the message says what it can be.
        """
        if self.is_switch:
            if text.strip().lower() not in SWITCH_WORDS:
                raise ValueError(f"{text!r} is not {self._wanted()}")
            return SWITCH_WORDS[text.strip().lower()]
        if self.is_list:
            return self._converted([word.strip() for word in text.split(self.separator) if word.strip()], strict=False)
        if self.unit == "MODE":
            return self._converted(int(text.removeprefix("0o"), 8) if MODE.fullmatch(text) else text, strict=True)
        return self._converted(text, strict=False)

    def check(self, value: object) -> Any:
        """The value itself, if the option can have it; as files with types give it. Lists and modes may be given as text, too.

        Raises:
            ValueError: the option cannot have it; the message says what it can be.
        """
        if isinstance(value, str) and (self.is_list or self.unit == "MODE"):
            return self.read(value)
        return self._converted(value, strict=True)

    def _converted(self, value: object, *, strict: bool) -> Any:
        try:
            converted = msgspec.convert(value, self.annotation, strict=strict)
        except msgspec.ValidationError:
            raise ValueError(f"{'it' if self.is_secret else repr(value)} is not {self._wanted()}") from None
        if isinstance(converted, float) and not math.isfinite(converted):
            raise ValueError(f"{value!r} is not {self._wanted()}")
        return converted

    def _wanted(self) -> str:
        if self.is_switch:
            return "on or off"
        if self.choices:
            return f"{'a list of some' if self.is_list else 'one'} of {', '.join(self.choices)}"
        if self.is_list:
            return "a list of texts"
        if self.unit == "TEXT" or self.own_unit is not None:
            return "text"
        if self.unit == "MODE":
            return "a mode from 0o000 to 0o777, such as 0o660"
        bounds = [note for note in _notes(self.annotation) if isinstance(note, msgspec.Meta)]
        low = next((note.ge for note in bounds if note.ge is not None), 0)
        high = next((note.le for note in bounds if note.le is not None), None)
        number = "a whole number" if self.kind is int else "a number"
        unit = "" if self.unit == "NUMBER" else f" of {self.unit.lower()}"
        range_ = f", {low} or more" if high is None else f" from {low} to {high}"
        return "".join([number, unit, range_, *(f", or {word}" for word in self.words)])


def server_flags() -> dict[str, ServerFlag]:
    """Every server option by its name, in the order of the structs."""
    flags: dict[str, ServerFlag] = {}
    for group, name, field in option_fields():
        note = next(note for note in get_args(field.type) if isinstance(note, Flag))
        flags[name] = ServerFlag(
            name=name,
            group=group,
            flag=note.name,
            help=note.help,
            annotation=field.type,
            default=field.default,
            own_unit=note.unit,
            separator=note.separator,
        )
    return flags


def sections() -> Iterator[tuple[str, list[ServerFlag]]]:
    """The options of each struct under a title, which is the first sentence of the struct's docstring.

    >>> next(title for title, _ in sections())
    'Where the server listens'
    """
    flags = server_flags().values()
    for group in msgspec.structs.fields(ServerOptions):
        title = (type(group.default).__doc__ or "").split(".\n", 1)[0].removesuffix(".")
        yield title, [flag for flag in flags if flag.group == group.name]


def _bare(annotation: Any) -> Any:
    """The type in an annotation: no notes, no None, no list around it; of several the first."""
    origin = get_origin(annotation)
    if origin is Annotated or origin is tuple:
        return _bare(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return _bare(next(member for member in get_args(annotation) if member is not NoneType))
    return annotation


def _notes(annotation: Any) -> Iterable[Any]:
    """The notes of an annotation, and of what stands beside None in it."""
    notes = [*get_args(annotation)[1:]] if get_origin(annotation) is Annotated else []
    return [*notes, *(note for inner in get_args(annotation) if get_args(inner) for note in _notes(inner))]


def in_binary_units(size: int) -> str:
    """A size in the largest unit that keeps it whole.

    >>> in_binary_units(65536), in_binary_units(1500), in_binary_units(0)
    ('64 KiB', '1500 B', '0 B')
    """
    for factor, unit in BINARY_UNITS:
        if size >= factor and size % factor == 0:
            return f"{size // factor} {unit}"
    return f"{size} B"
