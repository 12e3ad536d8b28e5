"""Regular expressions in paths, judged when they are read: none that a path could keep busy ever meets one.

Python's `re` tries one way after the other. It does so for ever where text can be taken apart in many ways inside of a
repetition: `(a+)+`, `(a|a)*`. So we look at which part of an expression may follow which (its Glushkov automaton). Where two
that may come next take a common character there is a choice. Expressions without choices match in linear time, a few
choices cost a power of the length, which a limit on the length then bounds, and a choice inside of a repetition is refused.
"""

import re
from dataclasses import dataclass, field
from functools import lru_cache

LONGEST: dict[int, int | None] = {0: None, 1: 1024, 2: 192, 3: 64}
"""How many characters an expression may be matched against, by its number of choices: some ten milliseconds at worst."""

_ESCAPE = r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|N\{[^}]+\}|0[0-7]{0,2}|.)"
_ATOM = re.compile(rf"\[\^?\]?(?:\\.|[^\]\\])*\]|{_ESCAPE}|.", re.DOTALL)
_QUANTIFIER = re.compile(r"(?:[*+?]|\{(?P<exact>\d+)\}|\{(?P<least>\d*),(?P<most>\d*)\})(?P<kind>[+?]?)")
_SCOPED_FLAGS = re.compile(r"\(\?([ais]*):")
_LOOK = re.compile(r"\(\?<?[=!]")
_SPECIAL = re.compile(r"[^\x00-\x7f]|\\[xuUN]")
_EMPTY = ("^", "$", r"\A", r"\Z", r"\b", r"\B")


class BadExpression(ValueError):
    """A regular expression that no path may be matched with."""


def choices(expression: str) -> int:
    """How often matching `expression` has to guess: what the time it takes is a power of.

    >>> choices(r"[a-z0-9]+(?:-[a-z0-9]+)*"), choices(r"[^/]+\\.[^/]+")
    (0, 1)

    Raises:
        BadExpression: it is no regular expression, may run exponentially long or has more choices than `LONGEST` knows, or
            holds what has no place in a path: named groups, references back, global flags.
    """
    try:
        re.compile(expression)
    except re.error as error:
        raise BadExpression(f"is no regular expression: {error}") from error
    found = _Reader(expression).judge()
    if found not in LONGEST:
        raise BadExpression(
            f"leaves {found} choices, places where two of its parts take the same character; more than {max(LONGEST)} would take"
            " too long, so let text that none of its neighbours takes stand between"
        )
    return found


@lru_cache(256)
def bounded(expression: str) -> str:
    """`expression` for text that is short enough for its number of choices; longer text does not match.

    Raises:
        BadExpression: see `choices`.
    """
    longest = LONGEST[choices(expression)]
    return expression if longest is None else f"(?!(?s:.{{{longest + 1}}})){expression}"


@dataclass
class _Piece:
    """A part of an expression: which of its places may be the first one, and which the last."""

    may_be_empty: bool = True
    first: list[int] = field(default_factory=list[int])
    last: list[int] = field(default_factory=list[int])


class _Reader:
    """Reads an expression that `re` has accepted into its places and what may follow each."""

    def __init__(self, text: str, flags: str = "") -> None:
        self.text = text
        self.index: int = 0
        self.flags = flags
        self.places: list[str] = []
        """For each place, the expression of one character."""
        self.follow: list[list[int]] = []
        """Which places may come after each; twice the same where it is reached in two ways."""
        self.loops: list[range] = []
        """The places inside of each repeated group."""
        self.looks: list[tuple[int, int]] = []
        """Where a look ahead or behind stands, and how many choices it has."""

    def judge(self) -> int:
        """The number of choices (see `choices`)."""
        whole = self.alternatives()
        found = sum(count for _, count in self.looks) + _has_overlap(self.places, whole.first)
        for loop in self.loops:
            if any(count and loop.start <= at <= loop.stop for at, count in self.looks):
                raise BadExpression("looks ahead with choices inside of a repetition; that may take exponentially long")
        for following in self.follow:
            found += _has_overlap(self.places, following)
        for loop in self.loops:
            for end in loop:
                if _has_overlap(self.places, [place for place in self.follow[end] if place in loop]):
                    raise BadExpression(
                        "repeats what can be taken apart in several ways, as (a+)+ and (a|a)* do; that may take exponentially long"
                    )
        return found

    def alternatives(self) -> _Piece:
        """What stands between bars, up to the end or the closing parenthesis."""
        piece = self.sequence()
        while self.text.startswith("|", self.index):
            self.index += 1
            other = self.sequence()
            if piece.may_be_empty and other.may_be_empty:
                raise BadExpression("has two alternatives that may be nothing; keep one")
            piece = _Piece(piece.may_be_empty or other.may_be_empty, piece.first + other.first, piece.last + other.last)
        return piece

    def sequence(self) -> _Piece:
        """One thing after the other."""
        whole = _Piece()
        while self.index < len(self.text) and self.text[self.index] not in "|)":
            piece = self.repeated()
            self.connect(whole.last, piece.first)
            whole = _Piece(
                whole.may_be_empty and piece.may_be_empty,
                whole.first + piece.first if whole.may_be_empty else whole.first,
                whole.last + piece.last if piece.may_be_empty else piece.last,
            )
        return whole

    def connect(self, ends: list[int], starts: list[int]) -> None:
        """After each of the ends, each of the starts may follow."""
        for end in ends:
            self.follow[end].extend(starts)

    def item(self) -> _Piece:
        """A group, or one character."""
        if self.text[self.index] == "(":
            return self.group()
        atom = _ATOM.match(self.text, self.index)
        assert atom is not None, "any character is an atom"
        self.index = atom.end()
        if atom.group() in _EMPTY:
            return _Piece()
        if re.fullmatch(r"\\[1-9]", atom.group()):
            raise BadExpression(f"refers back to a group with {atom.group()}; spell out what may stand there")
        place = len(self.places)
        self.places.append(f"(?{self.flags}:{atom.group()})")
        self.follow.append([])
        return _Piece(False, [place], [place])

    def group(self) -> _Piece:
        """What stands in parentheses."""
        flags, at = self.flags, len(self.places)
        look, scoped = _LOOK.match(self.text, self.index), _SCOPED_FLAGS.match(self.text, self.index)
        if look:
            self.index = look.end()
            inner = _Reader(self.text, flags)
            inner.index = self.index
            self.looks.append((at, inner.judge() + bool(inner.loops or any(inner.follow))))
            self.index = inner.index + 1
            return _Piece()
        if scoped:
            self.index = scoped.end()
            self.flags = "".join({*flags, *scoped[1]})
        elif self.text.startswith("(?>", self.index):
            self.index += 3
        elif self.text.startswith("(?", self.index):
            raise BadExpression(
                f"holds {self.text[self.index : self.index + 4]!r}; names, conditions, comments, references and flags for the whole"
                " have no place in a path"
            )
        else:
            self.index += 1
        piece = self.alternatives()
        self.index += 1
        self.flags = flags
        return piece

    def repeated(self) -> _Piece:
        """An item, as often as the quantifier behind it says."""
        start, is_group = len(self.places), self.text[self.index] == "("
        piece = self.item()
        quantifier = _QUANTIFIER.match(self.text, self.index)
        if quantifier is None:
            return piece
        self.index = quantifier.end()
        least, most = _bounds(quantifier)
        if piece.may_be_empty:
            raise BadExpression(f"has {quantifier.group()!r} behind what may be nothing; there are too many ways to do nothing")
        if most is None or most > 1:
            if is_group or least != most:  # a fixed number of one character leaves no choice
                self.connect(piece.last, piece.first)
            if is_group:
                self.loops.append(range(start, len(self.places)))
        return _Piece(piece.may_be_empty or least == 0, piece.first, piece.last)


def _bounds(quantifier: re.Match[str]) -> tuple[int, int | None]:
    sign = quantifier.group()[0]
    if sign != "{":
        return int(sign == "+"), 1 if sign == "?" else None
    if quantifier["exact"]:
        return int(quantifier["exact"]), int(quantifier["exact"])
    return int(quantifier["least"] or 0), int(quantifier["most"]) if quantifier["most"] else None


def _has_overlap(places: list[str], following: list[int]) -> bool:
    """Two of these places take a common character; the same place in two ways does."""
    if len(following) < 2:
        return False
    is_special = any(_SPECIAL.search(places[place]) for place in following)
    taken = set[str]()
    for place in following:
        characters = _characters(places[place], is_special)
        if not taken.isdisjoint(characters):
            return True
        taken |= characters
    return False


@lru_cache(1)
def _alphabets() -> tuple[str, str]:
    """What expressions in ASCII tell apart, and all of the Basic Multilingual Plane for those that say more."""
    plane = "".join(map(chr, (*range(0xD800), *range(0xE000, 0x10000))))
    return plane[:256] + "".join(re.findall(r"[\d\s]", plane[256:])), plane


@lru_cache(256)
def _characters(place: str, is_special: bool) -> frozenset[str]:
    return frozenset(re.findall(place, _alphabets()[is_special], re.DOTALL))
