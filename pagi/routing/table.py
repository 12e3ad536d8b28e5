"""The table of routes: a dict of static paths and a tree of segments; whatever it finds, the caller knows what it is for."""

import re
from collections.abc import Callable, Iterator
from typing import Any, Generic, Literal, TypeVar

from pagi.http.errors import ConfigError
from pagi.routing.converters import FLOAT, INT, Converter
from pagi.routing.expressions import bounded
from pagi.routing.patterns import ANY, REST, TEXT, TYPED, Parameter, Part, Pattern, exactness_of, regex_of

T = TypeVar("T")


TrailingSlash = Literal["redirect", "strict", "ignore"]
"""What becomes of a path that a route matches but for a slash at its end: it is redirected, not found, or served."""


class DuplicateRoute(ConfigError):
    """Two routes of one kind and method take the same paths: the second would never be reached."""

    def __init__(self, what: str, first: str, second: str) -> None:
        super().__init__(f"{what} is registered twice, by {first} and by {second}; remove one, or give them different paths")


class MixedPolicies(ConfigError):
    """Two routes serve one path and differ about the slash at its end."""

    def __init__(self, path: str, first: str, second: str) -> None:
        super().__init__(f"{path} is in routers that differ in trailing_slash, {first!r} and {second!r}; let them agree")


class Leaf(Generic[T]):
    """All that is registered for one pattern: per kind, and for http and sse per method."""

    __slots__ = ("exactness", "http", "names", "other", "pattern", "plain", "slash", "sse", "unacceptable", "websocket")

    def __init__(self, pattern: Pattern, slash: TrailingSlash) -> None:
        self.pattern = pattern
        self.exactness = pattern.exactness
        self.slash: TrailingSlash = slash
        self.names = tuple(parameter.name for parameter in pattern.parameters)
        self.http: dict[str, T] = {}
        self.sse: dict[str, T] = {}
        self.websocket: T | None = None
        self.plain: dict[str, T] = {}
        """The part of `http` for which neither an Accept header nor a mount matters: the method has no sse target."""
        self.other: T | None = None
        """What answers the methods that are not served, and OPTIONS."""
        self.unacceptable: T | None = None
        """What answers where only a stream is offered, to who takes none."""

    def add(self, kind: str, method: str, target: T) -> None:
        """Registers `target`; for a websocket the method is ignored."""
        if kind == "websocket":
            self.websocket = target
        else:
            (self.sse if kind == "sse" else self.http)[method] = target

    @property
    def methods(self) -> set[str]:
        """Every method that is served here, by http or sse."""
        return {*self.http, *self.sse}


Found = tuple[Leaf[T], dict[str, Any]]


class _Node(Generic[T]):
    """One place in the tree, between two slashes."""

    __slots__ = ("children", "leaf", "mixed", "tails", "texts", "typed")

    def __init__(self) -> None:
        self.children: dict[str, _Node[T]] = {}
        self.leaf: list[Leaf[T]] = []
        self.mixed: list[tuple[tuple[int, int], str, re.Pattern[str], tuple[Converter, ...], _Node[T]]] = []
        """Segments of text and parameters; first, since they say most. Of two the one with more text."""
        self.typed: list[tuple[Converter, Callable[[str], object], Callable[[str], Any], _Node[T]]] = []
        self.texts: _Node[T] | None = None
        """A whole segment of text."""
        self.tails: list[tuple[re.Pattern[str], tuple[Converter, ...], Leaf[T]]] = []
        """What spans slashes, to the end of the path; last."""


class Table(Generic[T]):
    """Paths to leaves. Built once, then only read. What a path says more exactly wins: text, typed, any text, rest."""

    def __init__(self) -> None:
        self.static: dict[str, Leaf[T]] = {}
        self._root: _Node[T] = _Node()
        self._dynamic: dict[tuple[str, tuple[Parameter, ...]], Leaf[T]] = {}
        self._taken: dict[tuple[str, str, str], str] = {}
        """By the paths, kind and method: who serves them."""

    def add(self, pattern: Pattern, kind: str, method: str, target: T, label: str = "", slash: TrailingSlash = "redirect") -> Leaf[T]:
        """Registers `target` under `pattern`. `label` is what an error calls it.

        Two routes clash if they match the same paths, whatever their parameters are called and however their patterns are
        spelled. Nothing else hides a route: where patterns overlap, the one that says more comes first.

        Raises:
            DuplicateRoute: the same kind and method is already served for the same paths.
            MixedPolicies: another route of the same pattern has another `slash`.
        """
        label = label or repr(pattern.text)
        place = (pattern.language, kind, method)
        if place in self._taken:
            raise DuplicateRoute(" ".join((kind, method, pattern.text) if method else (kind, pattern.text)), self._taken[place], label)
        self._taken[place] = label
        leaf = self._leaf(pattern, slash)
        if leaf.slash != slash:
            raise MixedPolicies(pattern.text, leaf.slash, slash)
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
                for _, check, parse, typed in node.typed:
                    if check(segment):
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
        if len(names) == 2:
            return leaf, {names[0]: values[0], names[1]: values[1]}
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

    def _leaf(self, pattern: Pattern, slash: TrailingSlash) -> Leaf[T]:
        if pattern.is_static:
            return self.static.setdefault(pattern.text, Leaf(pattern, slash))
        key = (pattern.text, pattern.parameters)
        leaf = self._dynamic.get(key)
        if leaf is None:
            leaf = self._dynamic[key] = Leaf(pattern, slash)
            _plant(self._root, pattern, leaf)
        return leaf


def _plant(node: _Node[T], pattern: Pattern, leaf: Leaf[T]) -> None:
    for index, segment in enumerate(pattern.segments):
        if exactness_of(segment) == REST:
            rest = pattern.segments[index:]
            converters = tuple(part.converter for parts in rest for part in parts if isinstance(part, Parameter))
            node.tails.append((re.compile(bounded("/".join(map(regex_of, rest))), re.DOTALL), converters, leaf))
            node.tails.sort(key=lambda tail: _tail_rank(tail[2].pattern))
            return
        node = _child(node, segment)
    node.leaf.append(leaf)


def _tail_rank(pattern: Pattern) -> tuple[object, ...]:
    # The longer the text beside the hole, the more exact; then the more segments, then the more exact ones.
    return -sum(map(_text_length, pattern.segments)), -len(pattern.segments), pattern.exactness


def _text_length(segment: tuple[Part, ...]) -> int:
    return sum(len(part) for part in segment if isinstance(part, str))


def _child(node: _Node[T], segment: tuple[Part, ...]) -> _Node[T]:
    """The place behind a segment; places with the same way to them are one."""
    kind = exactness_of(segment)
    child = _Node[T]()
    if kind == TEXT:
        return node.children.setdefault(str(segment[0]), child)
    converters = tuple(part.converter for part in segment if isinstance(part, Parameter))
    if kind == ANY:
        node.texts = node.texts or child
        return node.texts
    if kind == TYPED:
        (converter,) = converters
        for known, _, _, place in node.typed:
            if known == converter:
                return place
        for check in _checks(converter):
            node.typed.append((converter, check, converter.parse, child))
        # Every int is a float, too, and would never be found behind it.
        node.typed.sort(key=lambda each: each[0] == FLOAT)
        return child
    regex = regex_of(segment)
    for _, known_regex, _, known_converters, place in node.mixed:
        if (known_regex, known_converters) == (regex, converters):
            return place
    rank = (-_text_length(segment), len(converters))
    node.mixed.append((rank, regex, re.compile(bounded(regex)), converters, child))
    node.mixed.sort(key=lambda each: each[0])
    return child


def _checks(converter: Converter) -> list[Callable[[str], object]]:
    """What lets a segment through to `parse`: of several one at most does."""
    if converter == INT:
        # Nearly every int is plain digits, and asking for those is half the price of an expression. `parse` judges the rest.
        return [str.isdecimal, re.compile(r"-[0-9]{1,19}").fullmatch]
    return [re.compile(bounded(converter.regex)).fullmatch]


def _walk(node: _Node[T], segments: list[str], index: int, values: tuple[Any, ...]) -> Iterator[tuple[Leaf[T], tuple[Any, ...]]]:
    if index == len(segments):
        for leaf in node.leaf:
            yield leaf, values
        return
    segment = segments[index]
    child = node.children.get(segment)
    if child is not None:
        yield from _walk(child, segments, index + 1, values)
    for _, _, regex, converters, child in node.mixed:
        found = regex.fullmatch(segment)
        if found:
            parsed = _parse(converters, found.groups())
            if parsed is not None:
                yield from _walk(child, segments, index + 1, values + parsed)
    for _, check, parse, child in node.typed:
        if check(segment):
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
