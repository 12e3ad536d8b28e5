"""Query strings and urlencoded forms, by the WHATWG URL standard's parser; it knows nothing of what the fields mean."""

from collections.abc import Iterable, Iterator
from typing import Generic, Self, TypeVar, overload
from urllib.parse import unquote_to_bytes

from pagi.http.errors import PeerError

MAX_FIELDS = 1000
"""How many fields a query string or form may have by default."""

V = TypeVar("V")
D = TypeVar("D")


class TooManyFields(PeerError):
    """A query string or form has more fields than allowed. Empty fields count: they cost the same to split."""

    def __init__(self, count: int, limit: int) -> None:
        super().__init__(f"query or form has {count} fields, the limit is {limit}; raise max_fields if such clients are welcome")
        self.count = count
        self.limit = limit


def split_urlencoded(raw: bytes, *, max_fields: int = MAX_FIELDS) -> list[tuple[str, str]]:
    """The decoded fields of an `application/x-www-form-urlencoded` text, in order (WHATWG URL section 5.1).

    Only `&` separates, `+` is a space, a malformed percent sequence stays as it is, invalid UTF-8 becomes U+FFFD, a field
    without `=` has an empty value, and empty fields are left out.

    >>> split_urlencoded(b"a=1&b=x+%C3%A9&c&&d=%zz")
    [('a', '1'), ('b', 'x é'), ('c', ''), ('d', '%zz')]

    Raises:
        TooManyFields: more than `max_fields` fields; checked before any is split.
    """
    if not raw:
        return []
    # UTF-8 never hides `&`, `=`, `+` or `%` inside a character, so the whole can be decoded at once, and text is searched faster.
    text = raw.decode("utf-8", "replace")
    separators = text.count("&")
    if separators >= max_fields:
        raise TooManyFields(separators + 1, max_fields)
    fields: list[tuple[str, str]] = []
    if "%" not in text:
        for field in text.replace("+", " ").split("&"):
            if field:
                name, _, value = field.partition("=")
                fields.append((name, value))
        return fields
    for part in raw.replace(b"+", b" ").split(b"&"):
        if part:
            encoded_name, _, encoded_value = part.partition(b"=")
            fields.append((_decode(encoded_name), _decode(encoded_value)))
    return fields


def _decode(part: bytes) -> str:
    return (unquote_to_bytes(part) if b"%" in part else part).decode("utf-8", "replace")


class MultiDict(Generic[V]):
    """Read-only fields in order, in which names may repeat; `fields["a"]` is the last one.

    Iteration, `keys` and `len` speak of distinct names, `items` of every field.

    >>> fields = MultiDict([("a", 1), ("b", 2), ("a", 3)])
    >>> fields["a"], fields.get_all("a"), fields.get("c"), list(fields)
    (3, [1, 3], None, ['a', 'b'])
    """

    __slots__ = ("_fields", "_last")

    def __init__(self, fields: Iterable[tuple[str, V]] = ()) -> None:
        self._fields = list(fields)
        self._last: dict[str, V] = dict(self._fields)

    def __getitem__(self, name: str) -> V:
        return self._last[name]

    @overload
    def get(self, name: str) -> V | None: ...
    @overload
    def get(self, name: str, default: D) -> V | D: ...
    def get(self, name: str, default: D | None = None) -> V | D | None:
        """The last value of `name`, or `default`."""
        return self._last.get(name, default)

    def get_all(self, name: str) -> list[V]:
        """Every value of `name`, in order; empty where there is none."""
        if name not in self._last:
            return []
        return [value for key, value in self._fields if key == name]

    def __contains__(self, name: object) -> bool:
        return name in self._last

    def keys(self) -> list[str]:
        """Distinct names in the order they first appear."""
        return list(self._last)

    def items(self) -> list[tuple[str, V]]:
        """Every field in order, repeated names included."""
        return list(self._fields)

    def __iter__(self) -> Iterator[str]:
        return iter(self._last)

    def __len__(self) -> int:
        return len(self._last)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MultiDict) and self._fields == other._fields  # pyright: ignore[reportUnknownMemberType]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._fields!r})"


class Query(MultiDict[str]):
    """The fields of a query string."""

    __slots__ = ()

    @classmethod
    def parse(cls, raw: bytes, *, max_fields: int = MAX_FIELDS) -> Self:
        """Splits and decodes `raw`, the part after `?` (see `split_urlencoded`).

        Raises:
            TooManyFields: more than `max_fields` fields.
        """
        return cls(split_urlencoded(raw, max_fields=max_fields))


class FormData(MultiDict[V]):
    """The fields of a form: text, and whatever stands for uploaded files."""

    __slots__ = ()


def parse_form(body: bytes, *, max_fields: int = MAX_FIELDS) -> FormData[str]:
    """The fields of an urlencoded form (see `split_urlencoded`).

    Raises:
        TooManyFields: more than `max_fields` fields.
    """
    return FormData(split_urlencoded(body, max_fields=max_fields))
