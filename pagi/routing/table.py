"""The table of routes: a dict of static paths and a tree of segments; whatever it finds, the caller knows what it is for."""

import re
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from pagi.http.errors import ConfigError
from pagi.routing.converters import STR, Converter
from pagi.routing.patterns import Parameter, Part, Pattern

T = TypeVar("T")


class DuplicateRoute(ConfigError):
    """Two routes serve the same paths in the same way."""

    def __init__(self, what: str, first: str, second: str) -> None:
        super().__init__(f"{what} is registered twice, as {first!r} and {second!r}; remove one, or give them different paths")


class Leaf(Generic[T]):
    """All that is registered for one pattern: per kind, and for http and sse per method."""

    __slots__ = ("http", "names", "other", "pattern", "plain", "reach", "sse", "unacceptable", "websocket")

    def __init__(self, pattern: Pattern) -> None:
        self.pattern = pattern
        self.names = tuple(parameter.name for parameter in pattern.parameters)
        self.http: dict[str, T] = {}
        self.sse: dict[str, T] = {}
        self.websocket: T | None = None
        self.plain: dict[str, T] = {}
        """The part of `http` for which no Accept header matters: the method has no sse target."""
        self.other: T | None = None
        """What answers the methods that are not served, and OPTIONS."""
        self.unacceptable: T | None = None
        """What answers where only a stream is offered, to who takes none."""
        self.reach = _reach(pattern)
        """For a pattern that spans slashes, how much text comes before it does; else None."""

    def add(self, kind: str, method: str, target: T) -> None:
        """Registers `target`; for a websocket the method is ignored.

        Raises:
            DuplicateRoute: the place is taken.
        """
        text = self.pattern.text
        if kind == "websocket":
            if self.websocket is not None:
                raise DuplicateRoute(f"websocket {text}", text, text)
            self.websocket = target
            return
        table = self.sse if kind == "sse" else self.http
        if method in table:
            raise DuplicateRoute(f"{kind} {method} {text}", text, text)
        table[method] = target

    @property
    def methods(self) -> set[str]:
        """Every method that is served here, by http or sse."""
        return {*self.http, *self.sse}


Found = tuple[Leaf[T], dict[str, Any]]

_NO_PARAMETERS: dict[str, Any] = {}


class _Node(Generic[T]):
    """One place in the tree, between two slashes."""

    __slots__ = ("children", "leaf", "mixed", "tails", "texts", "typed")

    def __init__(self) -> None:
        self.children: dict[str, _Node[T]] = {}
        self.leaf: list[Leaf[T]] = []
        self.mixed: list[tuple[str, re.Pattern[str], tuple[Converter, ...], _Node[T]]] = []
        """Segments of text and parameters; first, since they say most."""
        self.typed: list[tuple[str, Callable[[str], object], Callable[[str], Any], _Node[T]]] = []
        self.texts: _Node[T] | None = None
        """A whole segment of text."""
        self.tails: list[tuple[re.Pattern[str], tuple[Converter, ...], Leaf[T]]] = []
        """What spans slashes, to the end of the path; last."""


class Table(Generic[T]):
    """Paths to leaves. Built once, then only read. What a path says more exactly wins: text, typed, any text, rest."""

    def __init__(self) -> None:
        self.static: dict[str, Leaf[T]] = {}
        self._root: _Node[T] = _Node()
        self._dynamic: dict[str, Leaf[T]] = {}
        self._shapes: dict[str, list[Leaf[T]]] = {}

    def add(self, pattern: Pattern, kind: str, method: str, target: T) -> Leaf[T]:
        """Registers `target` under `pattern`.

        Raises:
            DuplicateRoute: the same kind and method is already served for the same paths, under whatever parameter names.
        """
        leaf = self._leaf(pattern)
        for other in self._shapes[_shape(pattern)]:
            if other is not leaf and (other.websocket is not None if kind == "websocket" else method in getattr(other, kind)):
                raise DuplicateRoute(f"{kind} {method}".strip(), other.pattern.text, pattern.text)
        leaf.add(kind, method, target)
        return leaf

    def leaves(self) -> Iterator[Leaf[T]]:
        """Every leaf, in the order of registration, static ones first."""
        yield from self.static.values()
        yield from self._dynamic.values()

    def first(self, path: str) -> tuple[Leaf[T] | None, dict[str, Any]]:
        """The first of `find`, where each step of the way is clear at once; None says only that it was not."""
        leaf = self.static.get(path)
        if leaf is not None:
            return leaf, {}
        node: _Node[T] | None = self._root
        segments = iter(path.split("/"))
        if next(segments):
            return None, {}  # `*`, or what never was a path
        values: list[Any] = []
        for segment in segments:
            if node is None:
                return None, {}
            child = node.children.get(segment)
            if child is None:
                if node.mixed:
                    return None, {}
                for _, fullmatch, parse, typed in node.typed:
                    if fullmatch(segment):
                        try:
                            values.append(parse(segment))
                        except ValueError:
                            continue  # `parse` says that this is none of its own
                        child = typed
                        break
                else:
                    if segment:
                        child = node.texts
                        values.append(segment)
            node = child
        if node is None or not node.leaf:
            return None, {}
        leaf = node.leaf[0]
        names = leaf.names
        if len(names) == 1:
            return leaf, {names[0]: values[0]}
        return leaf, dict(zip(names, values, strict=True))

    def find(self, path: str) -> Iterator[Found[T]]:
        """Every leaf that matches `path` whole, the most exact first, with its converted parameters."""
        leaf = self.static.get(path)
        if leaf is not None:
            yield leaf, {}
        if self._dynamic and path.startswith("/"):
            segments = path[1:].split("/")
            for leaf, values in _walk(self._root, segments, 0, ()):
                yield leaf, dict(zip(leaf.names, values, strict=True))

    def _leaf(self, pattern: Pattern) -> Leaf[T]:
        known = self.static if pattern.is_static else self._dynamic
        leaf = known.get(pattern.text)
        if leaf is None:
            leaf = known[pattern.text] = Leaf(pattern)
            self._shapes.setdefault(_shape(pattern), []).append(leaf)
            if not pattern.is_static:
                _plant(self._root, pattern, leaf)
        return leaf


def _reach(pattern: Pattern) -> int | None:
    if not any(parameter.converter.spans for parameter in pattern.parameters):
        return None
    return pattern.text.index("{")


def _shape(pattern: Pattern) -> str:
    """The pattern without its parameter names."""
    return "/".join(
        "".join(part if isinstance(part, str) else f"{{:{part.converter.name}}}" for part in segment) for segment in pattern.segments
    )


def _regex(parts: tuple[Part, ...]) -> str:
    return "".join(re.escape(part) if isinstance(part, str) else f"({_no_groups(part.converter.regex)})" for part in parts)


def _no_groups(regex: str) -> str:
    """The same expression with its capturing groups made plain, so that ours keep their numbers."""
    return re.sub(r"(?<!\\)((?:\\\\)*)\((?!\?)", r"\1(?:", regex)


def _plant(node: _Node[T], pattern: Pattern, leaf: Leaf[T]) -> None:
    for index, segment in enumerate(pattern.segments):
        parameters = tuple(part for part in segment if isinstance(part, Parameter))
        if any(parameter.converter.spans for parameter in parameters):
            rest = pattern.segments[index:]
            converters = tuple(part.converter for parts in rest for part in parts if isinstance(part, Parameter))
            node.tails.append((re.compile("/".join(map(_regex, rest)), re.DOTALL), converters, leaf))
            # The longer the text beside the hole, the more exact.
            node.tails.sort(
                key=lambda tail: -sum(len(part) for parts in tail[2].pattern.segments for part in parts if isinstance(part, str))
            )
            return
        node = _child(node, segment, parameters)
    node.leaf.append(leaf)


def _child(node: _Node[T], segment: tuple[Part, ...], parameters: tuple[Parameter, ...]) -> _Node[T]:
    if not parameters:
        return node.children.setdefault(str(segment[0]), _Node())
    if len(segment) > 1:
        shape = _regex(segment)
        for known, _, _, child in node.mixed:
            if known == shape:
                return child
        child = _Node[T]()
        node.mixed.append((shape, re.compile(shape), tuple(parameter.converter for parameter in parameters), child))
        return child
    converter = parameters[0].converter
    if converter is STR:
        if node.texts is None:
            node.texts = _Node()
        return node.texts
    for name, _, _, child in node.typed:
        if name == converter.name:
            return child
    child = _Node[T]()
    node.typed.append((converter.name, re.compile(converter.regex).fullmatch, converter.parse, child))
    return child


def _walk(node: _Node[T], segments: list[str], index: int, values: tuple[Any, ...]) -> Iterator[tuple[Leaf[T], tuple[Any, ...]]]:
    if index == len(segments):
        for leaf in node.leaf:
            yield leaf, values
        return
    segment = segments[index]
    child = node.children.get(segment)
    if child is not None:
        yield from _walk(child, segments, index + 1, values)
    for _, regex, converters, child in node.mixed:
        found = regex.fullmatch(segment)
        if found:
            parsed = _parse(converters, found.groups())
            if parsed is not None:
                yield from _walk(child, segments, index + 1, values + parsed)
    for _, fullmatch, parse, child in node.typed:
        if fullmatch(segment):
            try:
                value = parse(segment)
            except ValueError:
                continue  # as in `first`
            yield from _walk(child, segments, index + 1, (*values, value))
    if node.texts is not None and segment:
        yield from _walk(node.texts, segments, index + 1, (*values, segment))
    if node.tails:
        rest = "/".join(segments[index:])
        for regex, converters, leaf in node.tails:
            found = regex.fullmatch(rest)
            if found:
                parsed = _parse(converters, found.groups())
                if parsed is not None:
                    yield leaf, values + parsed


def _parse(converters: tuple[Converter, ...], texts: tuple[str, ...]) -> tuple[Any, ...] | None:
    try:
        return tuple(converter.parse(text) for converter, text in zip(converters, texts, strict=True))
    except ValueError:
        return None  # `parse` says that this is none of its own: the path does not match here
