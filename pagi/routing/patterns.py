"""Path patterns: `/users/{id:int}/files/{rest:path}` read once into segments that match and spell."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pagi.http.errors import ConfigError
from pagi.http.url import encode_path, encode_segment
from pagi.routing.converters import CONVERTERS, STR, Converter, by_regex
from pagi.routing.expressions import BadExpression, bounded

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_GROUP_OR_NOT = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\((?!\?)", re.DOTALL)
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


TEXT, MIXED, TYPED, ANY, REST = range(5)
"""How exactly a segment says what it stands for: text, text with parameters, a converter, any text, all the rest."""


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

    @property
    def language(self) -> str:
        """A regular expression for the paths that match; patterns with the same one differ in nothing but names."""
        return "/".join(map(regex_of, self.segments))

    @property
    def exactness(self) -> tuple[int, ...]:
        """One number a segment. Of two patterns that match a path the smaller one says more."""
        return tuple(exactness_of(segment) for segment in self.segments)

    def under(self, prefix: "Pattern | None") -> "Pattern":
        """This pattern with another one before it, if there is one.

        Raises:
            BadPattern: both have a parameter of one name.
        """
        if prefix is None:
            return self
        both = sorted({each.name for each in prefix.parameters} & {each.name for each in self.parameters})
        if both:
            raise BadPattern(prefix.text + self.text, f"parameter {both[0]!r} is in the prefix {prefix.text!r} already; rename one")
        return Pattern(prefix.text + self.text, prefix.segments + self.segments, prefix.parameters + self.parameters)

    def spell(self, values: Mapping[str, Any]) -> str:
        """The path for these parameter values, percent-encoded as UTF-8 (RFC 3986 section 2.1).

        Raises:
            ValueError: a value is missing, is one too many, or would not be read back as what it is.
        """
        known = {parameter.name for parameter in self.parameters}
        missing, unknown = known - values.keys(), values.keys() - known
        if missing or unknown:
            wrong = f"misses {sorted(missing)}" if missing else f"has no {sorted(unknown)}"
            raise ValueError(f"path {self.text!r} {wrong}; its parameters are {sorted(known)}")
        texts = {parameter.name: _spell(parameter, values[parameter.name]) for parameter in self.parameters}
        for parts in _matched_together(self.segments):
            _check_way_back(parts, texts)
        path = "".join("/" + "".join(_escape(part, texts) for part in segment) for segment in self.segments)
        # `.` and `..` cannot be escaped: every client removes them, `%2e` too, and the link would leave its place.
        if any(segment in (".", "..") for segment in path.split("/")):
            raise ValueError(f"path {path!r} for {self.text!r} holds a dot segment, which clients remove before they ask")
        if path.startswith("//"):
            raise ValueError(f"path {path!r} for {self.text!r} starts with two slashes, so a client would take it for another host")
        return path


def exactness_of(segment: tuple[Part, ...]) -> int:
    """See `Pattern.exactness`."""
    parameters = [part for part in segment if isinstance(part, Parameter)]
    if not parameters:
        return TEXT
    if any(parameter.converter.spans for parameter in parameters):
        return REST
    if len(segment) > 1:
        return MIXED
    return ANY if parameters[0].converter is STR else TYPED


def regex_of(segment: tuple[Part, ...]) -> str:
    """A regular expression for one segment, with a group for each parameter."""
    return "".join(re.escape(part) if isinstance(part, str) else f"({_no_groups(part.converter.regex)})" for part in segment)


def _no_groups(regex: str) -> str:
    """The same expression with its capturing groups made plain, so that ours keep their numbers."""
    return _GROUP_OR_NOT.sub(lambda found: "(?:" if found.group() == "(" else found.group(), regex)


def _matched_together(segments: tuple[tuple[Part, ...], ...]) -> list[tuple[tuple[Part, ...], ...]]:
    """Segments as the table matches them: one by one, and from the one that spans slashes on all at once."""
    tail = next((index for index, segment in enumerate(segments) if exactness_of(segment) == REST), len(segments))
    whole = [segments[tail:]] if segments[tail:] else []
    return [*((segment,) for segment in segments[:tail]), *whole]


def _spell(parameter: Parameter, value: Any) -> str:
    text = parameter.converter.spell(value)
    if not re.fullmatch(bounded(parameter.converter.regex), text, re.DOTALL):
        raise ValueError(f"parameter {parameter.name!r} is {text!r}, which {{{parameter.name}:{parameter.converter.name}}} does not match")
    return text


def _check_way_back(segments: tuple[tuple[Part, ...], ...], texts: Mapping[str, str]) -> None:
    """Parameters side by side must not run into each other: `a.b` and `c` in `{name}.{ext}` are read back as they were."""
    names = [part.name for segment in segments for part in segment if isinstance(part, Parameter)]
    if not names or sum(map(len, segments)) == 1:
        return
    path = "/".join("".join(part if isinstance(part, str) else texts[part.name] for part in segment) for segment in segments)
    found = re.fullmatch(bounded("/".join(map(regex_of, segments))), path, re.DOTALL)
    wanted = tuple(texts[name] for name in names)
    if found is None:
        raise ValueError(f"{path!r} is longer than what is matched with so many parameters side by side")
    if found.groups() != wanted:
        raise ValueError(f"{path!r} would not be read back as {dict(zip(names, wanted, strict=True))}")


def _escape(part: Part, texts: Mapping[str, str]) -> str:
    if isinstance(part, str):
        return encode_segment(part)
    return encode_path(texts[part.name]) if part.converter.spans else encode_segment(texts[part.name])


def parse_pattern(text: str, converters: Mapping[str, Converter] = CONVERTERS) -> Pattern:
    """Reads a pattern.

    >>> [parameter.name for parameter in parse_pattern("/rooms/{room}/users/{id:int}").parameters]
    ['room', 'id']

    Raises:
        BadPattern: it does not start with `/`, names a converter that does not exist, repeats a name, is not balanced, spans
            slashes twice, or could keep a match busy for long.
    """
    if not text.startswith("/"):
        raise BadPattern(text, "must start with '/'")
    segments = tuple(_segment(text, segment, converters) for segment in _split(text))
    parameters = tuple(part for segment in segments for part in segment if isinstance(part, Parameter))
    names = [parameter.name for parameter in parameters]
    for name in names:
        if names.count(name) > 1:
            raise BadPattern(text, f"parameter {name!r} appears {names.count(name)} times; give each its own name")
    if sum(parameter.converter.spans for parameter in parameters) > 1:
        raise BadPattern(text, "two parameters span slashes, and nobody could say where one ends; keep one")
    for together in _matched_together(segments):
        if all(exactness_of(segment) == TEXT for segment in together):
            continue
        try:
            bounded("/".join(map(regex_of, together)))
        except BadExpression as error:
            raise BadPattern(text, str(error)) from error
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
            parts.append(_literal(text, literal))
            literal = ""
        parts.append(_parameter(text, segment[index + 1 : end], converters))
        index = end + 1
    if literal or not parts:
        parts.append(_literal(text, literal))
    return tuple(parts)


def _literal(text: str, literal: str) -> str:
    angles = _ANGLES.search(literal)
    if angles:
        name, converter = angles["name"], angles["converter"]
        right = f"{{{name}:{converter}}}" if converter else f"{{{name}}}"
        raise BadPattern(text, f"{angles.group()} is another framework's spelling; write {right}")
    return literal


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
        except ConfigError as error:
            raise BadPattern(text, str(error)) from error
    if kind not in converters:
        swapped = f"; did you mean {{{kind}:{name}}}?" if name in converters else ""
        raise BadPattern(text, f"no converter {kind!r}; there are {sorted(converters)} and re(...){swapped}")
    return Parameter(name, converters[kind])
