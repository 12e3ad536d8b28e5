"""Header fields as a case-insensitive view over pairs of bytes; it does not know which fields mean what."""

import re
from collections.abc import Iterable, Iterator
from typing import TypeVar, overload

from pagi.http.errors import AppError

D = TypeVar("D")

TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
"""A token: field names, cookie names, parameter names (RFC 9110 section 5.6.2)."""

HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Fields about one connection, never passed on (RFC 9110 section 7.6.1); so is every field that Connection names."""

# Tab is the one control byte a value may hold; obs-text (0x80 to 0xff) is allowed (RFC 9110 section 5.5).
_FORBIDDEN_IN_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_LIST_ELEMENT = re.compile(r'(?:[^,"]|"(?:[^"\\]|\\.)*"?)+', re.DOTALL)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)

# Names repeat, so each is checked and lowered once. Bounded: names can come from a proxied peer.
_MAX_KNOWN_NAMES = 1024
_MAX_KNOWN_NAME_LENGTH = 64
_known_names: dict[str, bytes] = {}


class InvalidHeader(AppError, ValueError):
    """A header name is no token, or a value holds what may not go on the wire."""

    def __init__(self, message: str, name: str) -> None:
        super().__init__(message)
        self.name = name


def encode_name(name: str) -> bytes:
    """The lower-case bytes of a field name.

    Raises:
        InvalidHeader: `name` is not a token (RFC 9110 section 5.1).
    """
    known = _known_names.get(name)
    if known is not None:
        return known
    if not TOKEN.fullmatch(name):
        raise InvalidHeader(f"header name {name!r} is not a token; use letters, digits and any of !#$%&'*+-.^_`|~", name)
    encoded = name.lower().encode("ascii")
    if len(_known_names) < _MAX_KNOWN_NAMES and len(name) <= _MAX_KNOWN_NAME_LENGTH:
        _known_names[name] = encoded
    return encoded


def encode_value(name: str, value: str) -> bytes:
    """The bytes of a field value; `name` is only for the message.

    Raises:
        InvalidHeader: `value` holds a control character other than tab, or one past U+00FF.
        TypeError: `value` is not text.
    """
    try:
        # Ordinary values pass two tests in C; the pattern is for tabs, obs-text and what is wrong.
        if value.isascii() and value.isprintable():
            return value.encode("ascii")
        bad = _FORBIDDEN_IN_VALUE.search(value)
    except (AttributeError, TypeError):
        raise TypeError(f"value of header {name!r} must be str, got {type(value).__name__}; convert it with str() or decode it") from None
    if bad:
        raise InvalidHeader(f"value of header {name!r} holds {bad.group()!r} at index {bad.start()}; remove control characters first", name)
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError as error:
        raise InvalidHeader(
            f"value of header {name!r} holds {value[error.start]!r} at index {error.start}, past U+00FF; percent-encode it first", name
        ) from error


class Headers:
    """Read-only view over header pairs, in order. Names are compared without case, values are decoded as latin-1.

    The pairs are not copied; they are indexed at the first look-up and must not change after it. Iteration, `keys` and
    `len` speak of distinct names, `items` of every field.

    >>> headers = Headers([(b"Accept", b"text/html"), (b"x-tag", b"a"), (b"x-tag", b"b")])
    >>> headers["accept"], headers["X-Tag"], headers.get_all("x-tag"), "cookie" in headers
    ('text/html', 'b', ['a', 'b'], False)
    """

    __slots__ = ("_index", "raw")

    raw: list[tuple[bytes, bytes]]
    """The pairs themselves, uncopied."""

    def __init__(self, raw: list[tuple[bytes, bytes]] | None = None) -> None:
        self.raw = [] if raw is None else raw
        self._index: dict[bytes, bytes] | None = None

    def _last(self, key: bytes) -> bytes | None:
        index = self._index
        if index is None:
            index = dict(self.raw)
            # ASGI servers send lower-case names, so one look at all of them together usually settles it.
            if not b"".join(index).islower():
                index = {name.lower(): value for name, value in self.raw}
            self._index = index
        return index.get(key)

    def __getitem__(self, name: str) -> str:
        value = self._last(_key(name))
        if value is None:
            raise KeyError(name)
        return value.decode("latin-1")

    @overload
    def get(self, name: str) -> str | None: ...
    @overload
    def get(self, name: str, default: D) -> str | D: ...
    def get(self, name: str, default: D | None = None) -> str | D | None:
        """The last value of `name`, or `default`. Never several values joined: see `get_all`."""
        value = self._last(_key(name))
        return default if value is None else value.decode("latin-1")

    def get_all(self, name: str) -> list[str]:
        """Every value of `name`, in order; empty where there is none."""
        key = _key(name)
        if self._last(key) is None:
            return []
        return [value.decode("latin-1") for field, value in self.raw if field.lower() == key]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._last(_key(name)) is not None

    def keys(self) -> list[str]:
        """Distinct names in lower case, in the order they first appear."""
        return list(dict.fromkeys(field.lower().decode("latin-1") for field, _ in self.raw))

    def items(self) -> list[tuple[str, str]]:
        """Every field in order, repeated names included; names in lower case."""
        return [(field.lower().decode("latin-1"), value.decode("latin-1")) for field, value in self.raw]

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def __len__(self) -> int:
        return len({field.lower() for field, _ in self.raw})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self.items() == other.items()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.raw!r})"


class MutableHeaders(Headers):
    """Headers that can be set. `raw` is the live list of lower-case pairs, ready for the server without a copy.

    A list given at construction is adopted, not copied: its names are put in lower case in place, its names and values
    are not checked again (the server checks whatever leaves). What is set here is checked at once.

    >>> headers = MutableHeaders.of([("Content-Type", "text/html")])
    >>> headers["X-Tag"] = "a"
    >>> headers.vary("Accept")
    >>> headers.raw
    [(b'content-type', b'text/html'), (b'x-tag', b'a'), (b'vary', b'Accept')]
    """

    __slots__ = ()

    def __init__(self, raw: list[tuple[bytes, bytes]] | None = None) -> None:
        if raw is None:
            raw = []
        for name, _ in raw:
            if not name.islower():
                raw[:] = [(name.lower(), value) for name, value in raw]
                break
        self.raw = raw
        self._index = None

    @classmethod
    def of(cls, fields: Iterable[tuple[str, str]]) -> "MutableHeaders":
        """New headers from text, each field added in turn.

        Raises:
            InvalidHeader: a name or value may not go on the wire.
        """
        headers = cls()
        for name, value in fields:
            headers.add(name, value)
        return headers

    def _last(self, key: bytes) -> bytes | None:
        found = None
        for name, value in self.raw:
            if name == key:
                found = value
        return found

    def set(self, name: str, value: str) -> None:
        """Makes `value` the only value of `name`, in the place of the first one there was.

        Raises:
            InvalidHeader: the name is no token, or the value holds control characters or text past U+00FF.
        """
        key = _known_names.get(name) or encode_name(name)
        # The first test of encode_value, repeated to save the call: most values are plain text.
        try:
            plain = value.isascii() and value.isprintable()
        except AttributeError:
            plain = False  # no text at all; encode_value says so
        pair = (key, value.encode("ascii") if plain else encode_value(name, value))
        raw = self.raw
        for index, (field, _) in enumerate(raw):
            if field == key:
                raw[index] = pair
                if len(raw) > index + 1:
                    raw[index + 1 :] = [other for other in raw[index + 1 :] if other[0] != key]
                return
        raw.append(pair)

    def add(self, name: str, value: str) -> None:
        """Adds one more field, beside those of the same name.

        Raises:
            InvalidHeader: as for `set`.
        """
        self.raw.append((encode_name(name), encode_value(name, value)))

    def set_default(self, name: str, value: str) -> str:
        """Sets `name` unless it is there; returns the value that counts now.

        Raises:
            InvalidHeader: as for `set`.
        """
        present = self._last(encode_name(name))
        if present is not None:
            return present.decode("latin-1")
        self.add(name, value)
        return value

    def remove(self, name: str) -> list[str]:
        """Takes every field of `name` out and returns their values; empty where there was none."""
        key = _key(name)
        removed = [value.decode("latin-1") for field, value in self.raw if field == key]
        if removed:
            self.raw[:] = [pair for pair in self.raw if pair[0] != key]
        return removed

    def __setitem__(self, name: str, value: str) -> None:
        self.set(name, value)

    def __delitem__(self, name: str) -> None:
        if not self.remove(name):
            raise KeyError(name)

    def vary(self, name: str) -> None:
        """Says that the answer depends on request field `name` (RFC 9110 section 12.5.5); once is enough, and `*` covers all.

        Raises:
            InvalidHeader: `name` is neither a token nor `*`.
        """
        if name != "*":
            encode_name(name)
        present = [element for value in self.get_all("vary") for element in parse_list(value)]
        if "*" in present or name.lower() in (element.lower() for element in present):
            return
        self.set("vary", "*" if name == "*" else ", ".join([*present, name]))


def parse_list(value: str) -> list[str]:
    """The elements of a comma-separated field value, trimmed, empty ones left out (RFC 9110 section 5.6.1).

    Commas inside quoted strings do not separate; elements keep their quotes. An unclosed quote runs to the end.

    >>> parse_list('a, "b, c";q=1,, d ')
    ['a', '"b, c";q=1', 'd']
    """
    elements = _LIST_ELEMENT.findall(value) if '"' in value else value.split(",")
    return [element for element in (element.strip(" \t") for element in elements) if element]


def unquote(value: str) -> str:
    """The text of a quoted string, or `value` itself where it is not one (RFC 9110 section 5.6.4).

    >>> unquote(r'"say \"hi\""'), unquote("token")
    ('say "hi"', 'token')
    """
    if len(value) < 2 or value[0] != '"' or value[-1] != '"':
        return value
    return _QUOTED_PAIR.sub(r"\1", value[1:-1]) if "\\" in value else value[1:-1]


def _key(name: str) -> bytes:
    # A name that no field can have becomes one that none has: `?` is not in tokens.
    return _known_names.get(name) or name.lower().encode("ascii", "replace")
