"""Access log formats: presets and format strings, each made once into a function of what an exchange left behind."""

import difflib
import re
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from pagi.http.errors import ConfigError
from pagi.http.headers import TOKEN
from pagi.server.access_log.atoms import ATOMS, NAMED, Reader, answer_field, request_field
from pagi.server.access_log.ended import Ended
from pagi.server.access_log.own import as_json, as_text

Render: TypeAlias = Callable[[Ended], str]


class Format(NamedTuple):
    """A format that is ready for use."""

    render: Render
    keeps_headers: bool
    """It shows fields of the answer, which are kept for it and for nothing else."""


class FormatRefused(ConfigError):
    """An access log format that nothing can be written in."""


OWN: dict[str, Render] = {"text": as_text, "json": as_json}
"""The forms that are no format strings: parts that have nothing to say are left out of the first, and the second is JSON."""

PRESETS: dict[str, str] = {
    "clf": '%h - - [%t] "%m %U%q" %s %ds',
    "common": '%h - - [%t] "%r" %s %b',
    "combined": '%h - - [%t] "%r" %s %b "%{Referer}i" "%{User-Agent}i"',
    "tiny": "%m %U%q %s %{ms}xms",
}

_PIECE = re.compile(r"[^%]+|%(?:\{(?P<name>[^{}]*)\})?(?P<letter>[A-Za-z%])")


def compile_format(text: str) -> Format:
    """The format that a preset's name or a format string stands for.

    >>> compile_format("tiny").keeps_headers, compile_format("%{Content-Type}o").keeps_headers
    (False, True)

    Raises:
        FormatRefused: there is no such preset or atom, or the string is not well formed. The message says what there is.
    """
    if text in OWN:
        return Format(OWN[text], False)
    text = PRESETS.get(text, text)
    if "%" not in text:
        raise FormatRefused(f"there is no access log format {text!r}{_meant(text)}")
    if (control := next((char for char in text if not char.isprintable() and char != "\t"), None)) is not None:
        raise FormatRefused(f"the access log format holds {control!r}, and a line has to stay one line; leave it out")
    template, readers, keeps_headers = _parsed(text)
    return Format(_renderer(template, readers), keeps_headers)


def _renderer(template: str, readers: tuple[Reader, ...]) -> Render:
    def render(ended: Ended) -> str:
        return template % tuple([read(ended) for read in readers])

    return render


def _parsed(text: str) -> tuple[str, tuple[Reader, ...], bool]:
    """The string with `%s` for each atom, what reads them, and whether fields of the answer are among them."""
    template: list[str] = []
    readers: list[Reader] = []
    keeps_headers = False
    at = 0
    while at < len(text):
        piece = _PIECE.match(text, at)
        if piece is None:
            raise FormatRefused(_complaint(text, at))
        name, letter = piece["name"], piece["letter"]
        at = piece.end()
        if letter is None:
            template.append(piece[0])
        elif letter == "%" and name is None:
            template.append("%%")
        else:
            template.append("%s")
            readers.append(_reader(letter, name, piece[0]))
            keeps_headers = keeps_headers or letter == "o"
    return "".join(template), tuple(readers), keeps_headers


def _reader(letter: str, name: str | None, spelled: str) -> Reader:
    if name is None:
        if letter not in ATOMS:
            raise FormatRefused(f"there is no access log atom {spelled!r}; there are {_all()}")
        return ATOMS[letter].read
    if letter == "x":
        if name not in NAMED:
            raise FormatRefused(f"there is no access log atom {spelled!r}; of %{{...}}x there are {', '.join(NAMED)}")
        return NAMED[name].read
    if letter not in "io":
        raise FormatRefused(
            f"there is no access log atom {spelled!r}; behind %{{...}} stands i for a field of the request, o for one of the answer, "
            "x for a word of ours"
        )
    if not TOKEN.fullmatch(name):
        raise FormatRefused(f"the access log atom {spelled!r} names no header field: {name!r} cannot be one")
    return request_field(name) if letter == "i" else answer_field(name)


def _complaint(text: str, at: int) -> str:
    """Why what begins at `at` is no atom."""
    rest = text[at : at + 16]
    where = f"at character {at + 1} of the access log format"
    if rest.startswith("%{"):
        end = text.find("}", at)
        if end < 0:
            return f"{rest!r} {where} has no closing brace; write %{{Name}}i"
        return f"{text[at : end + 1]!r} {where} needs a letter behind the brace: i, o or x"
    if rest.startswith("%("):
        return f"{rest!r} {where} is another server's spelling: write %h for %(h)s, and %{{Name}}i for a field"
    return f"{rest!r} {where} is no atom; there are {_all()}, and %% for a percent sign"


def _all() -> str:
    return ", ".join(f"%{letter}" for letter in ATOMS) + ", %{Name}i, %{Name}o and %{word}x"


def _meant(text: str) -> str:
    names = [*OWN, *PRESETS]
    near = difflib.get_close_matches(text, names, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; it is {', '.join(names)}, or a string with atoms such as %h and %s"
