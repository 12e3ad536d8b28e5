"""Path patterns: `/users/{id:int}/files/{rest:path}` read once into segments that match and spell."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pagi.http.errors import ConfigError
from pagi.http.url import encode_path, encode_segment
from pagi.routing.converters import CONVERTERS, STR, Converter, by_regex

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ANGLES = re.compile(r"<(?:(?P<converter>\w+):)?(?P<name>\w+)>")


class BadPattern(ConfigError):
    """A path pattern cannot be read."""

    def __init__(self, pattern: str, problem: str) -> None:
        super().__init__(f"path {pattern!r}: {problem}")
        self.pattern = pattern


@dataclass(frozen=True, slots=True)
class Parameter:
    """A named hole in a pattern."""

    name: str
    converter: Converter


Part = str | Parameter


@dataclass(frozen=True, slots=True)
class Pattern:
    """A path pattern, read."""

    text: str
    """As the author wrote it, `:id` and `*rest` turned into braces."""
    segments: tuple[tuple[Part, ...], ...]
    """What stands between the slashes; the first segment of `/a` is `a`."""
    parameters: tuple[Parameter, ...]

    @property
    def is_static(self) -> bool:
        """No parameter: exactly one path matches."""
        return not self.parameters

    def spell(self, values: Mapping[str, Any]) -> str:
        """The path for these parameter values, percent-encoded as UTF-8 (RFC 3986 section 2.1).

        Raises:
            ValueError: a value is missing, is one too many, or would not match here again.
        """
        known = {parameter.name for parameter in self.parameters}
        missing, unknown = known - values.keys(), values.keys() - known
        if missing or unknown:
            wrong = f"misses {sorted(missing)}" if missing else f"has no {sorted(unknown)}"
            raise ValueError(f"path {self.text!r} {wrong}; its parameters are {sorted(known)}")
        path = "".join("/" + "".join(_spell(part, values) for part in segment) for segment in self.segments)
        # `.` and `..` cannot be escaped: every client removes them, `%2e` too, and the link would leave its place.
        if any(segment in (".", "..") for segment in path.split("/")):
            raise ValueError(f"path {path!r} for {self.text!r} holds a dot segment, which clients remove before they ask")
        return path


def _spell(part: Part, values: Mapping[str, Any]) -> str:
    if isinstance(part, str):
        return encode_segment(part)
    value = part.converter.spell(values[part.name])
    if not re.fullmatch(part.converter.regex, value, re.DOTALL):
        raise ValueError(f"parameter {part.name!r} is {value!r}, which {{{part.name}:{part.converter.name}}} does not match")
    return encode_path(value) if part.converter.spans else encode_segment(value)


def parse_pattern(text: str, converters: Mapping[str, Converter] = CONVERTERS) -> Pattern:
    """Reads a pattern.

    >>> [parameter.name for parameter in parse_pattern("/rooms/{room}/users/{id:int}").parameters]
    ['room', 'id']

    Raises:
        BadPattern: it does not start with `/`, names a converter that does not exist, repeats a name, or is not balanced.
    """
    if not text.startswith("/"):
        raise BadPattern(text, "must start with '/'")
    angles = _ANGLES.search(text)
    if angles:
        name, converter = angles["name"], angles["converter"]
        right = f"{{{name}:{converter}}}" if converter else f"{{{name}}}"
        raise BadPattern(text, f"{angles.group()} is another framework's spelling; write {right}")
    segments = tuple(_segment(text, segment, converters) for segment in _split(text))
    parameters = tuple(part for segment in segments for part in segment if isinstance(part, Parameter))
    names = [parameter.name for parameter in parameters]
    for name in names:
        if names.count(name) > 1:
            raise BadPattern(text, f"parameter {name!r} appears {names.count(name)} times; give each its own name")
    return Pattern("".join("/" + "".join(map(_show, segment)) for segment in segments), segments, parameters)


def _show(part: Part) -> str:
    if isinstance(part, str):
        return part
    return f"{{{part.name}}}" if part.converter is STR else f"{{{part.name}:{part.converter.name}}}"


def _split(text: str) -> list[str]:
    """Splits at slashes outside of braces."""
    segments, depth, start = list[str](), 0, 1
    for index, char in enumerate(text):
        depth += (char == "{") - (char == "}")
        if depth < 0:
            raise BadPattern(text, f"'}}' at {index} closes nothing")
        if char == "/" and depth == 0 and index:
            segments.append(text[start:index])
            start = index + 1
    if depth:
        raise BadPattern(text, "a '{' is never closed")
    return [*segments, text[start:]]


def _segment(text: str, segment: str, converters: Mapping[str, Converter]) -> tuple[Part, ...]:
    # PAGI's spellings, for a whole segment only: `12:30` in a path is text.
    if segment[:1] == ":" and _NAME.fullmatch(segment, 1):
        return (Parameter(segment[1:], STR),)
    if segment[:1] == "*" and _NAME.fullmatch(segment, 1):
        return (Parameter(segment[1:], converters["path"]),)
    parts, literal, index = list[Part](), "", 0
    while index < len(segment):
        if segment[index] != "{":
            literal += segment[index]
            index += 1
            continue
        end = _closing(segment, index)
        if literal:
            parts.append(literal)
            literal = ""
        parts.append(_parameter(text, segment[index + 1 : end], converters))
        index = end + 1
    if literal or not parts:
        parts.append(literal)
    return tuple(parts)


def _closing(segment: str, start: int) -> int:
    depth = 0
    for index in range(start, len(segment)):
        depth += (segment[index] == "{") - (segment[index] == "}")
        if depth == 0:
            return index
    raise AssertionError("braces were balanced by _split")


def _parameter(text: str, inside: str, converters: Mapping[str, Converter]) -> Parameter:
    name, colon, kind = inside.partition(":")
    if not _NAME.fullmatch(name):
        raise BadPattern(text, f"{{{inside}}} has no name; write {{name}} or {{name:int}}")
    if not colon:
        return Parameter(name, STR)
    if kind.startswith("re(") and kind.endswith(")"):
        try:
            return Parameter(name, by_regex(kind[3:-1]))
        except re.error as error:
            raise BadPattern(text, f"{{{inside}}} is no regular expression: {error}") from error
    if kind not in converters:
        swapped = f"; did you mean {{{kind}:{name}}}?" if name in converters else ""
        raise BadPattern(text, f"no converter {kind!r}; there are {sorted(converters)} and re(...){swapped}")
    return Parameter(name, converters[kind])
