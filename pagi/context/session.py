"""The session: a strict mapping for one client across exchanges. Where it is kept between them is the middleware's business."""

from collections.abc import Callable, Mapping
from types import UnionType
from typing import Any, ClassVar

import msgspec
from typing_extensions import TypeVar

from pagi.context.strict_mapping import Key, MissingKey, StrictMapping
from pagi.http.errors import AppError

T = TypeVar("T")

SESSION = "pagi.session"
"""Where the session stands in the scope, for contexts of whatever is mounted too."""


class NoSession(AppError):
    """The session was asked for, and no middleware keeps one."""

    def __init__(self) -> None:
        super().__init__("there is no session here: add Session(secret=...) of pagi.middleware to the middleware, or ask has_session first")


class NotJSON(AppError, TypeError):
    """A value has no JSON form, so no later exchange could have it."""

    def __init__(self, name: str, problem: object) -> None:
        super().__init__(
            f"session value {name!r} cannot be kept: {problem}; a session holds what JSON can say: text, numbers, lists, dicts, structs"
        )
        self.name = name


class SessionNotSaved(AppError):
    """The session was changed when no change could reach the client any more. It is raised at the change, so nothing is lost unseen."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what} of the session cannot be changed any more: {why}")


class StaleValue(MissingKey):
    """The session holds something under this key, but nothing of the key's type: an older release of the application wrote it."""

    def __init__(self, key: Key[Any], problem: object) -> None:
        self.name = key.name
        KeyError.__init__(self, f"session value {key.name!r} does not fit {key!r}: {problem}. Use get(), or assign it anew")


class SessionKey(Key[T]):
    """A key whose values are made of that type again when they are read.

    >>> import datetime
    >>> SEEN = SessionKey("seen", datetime.date)
    >>> session = Session()
    >>> session[SEEN] = datetime.date(2030, 1, 2)
    >>> session[SEEN], session["seen"]
    (datetime.date(2030, 1, 2), '2030-01-02')

    Without a type, which only a subscript can then say, values are read as JSON gives them.

    Raises:
        TypeError: msgspec cannot make a value of that type from JSON.
    """

    __slots__ = ("decode",)

    def __init__(self, name: str, value_type: type[T] | UnionType | None = None) -> None:
        super().__init__(name, value_type)
        self.decode: Callable[[bytes], Any] = msgspec.json.decode if value_type is None else msgspec.json.Decoder(value_type).decode

    def __repr__(self) -> str:
        return f"SessionKey({self.name!r}, {getattr(self.value_type, '__name__', self.value_type)})"


class SessionRecord(msgspec.Struct, array_like=True, frozen=True):
    """A session as it is kept between exchanges."""

    data: dict[str, Any]
    max_age: int | None = None
    """How many seconds it lives; None: as the middleware says."""


class Session(StrictMapping):
    """What is remembered of one client. It keeps copies, as JSON would give them back: a value reads the same now and in the next exchange.

    What is inside a value may be changed in place (`session["cart"].append(3)`): that is seen when the session is saved.

    `Session({"user": 7})` is one that came with those values, for tests. `load` gives the record that came with the exchange,
    and is called when the session is first asked for anything.
    """

    __slots__ = (
        "_before", "_data", "_is_new", "_load", "_locked", "_max_age", "_settled", "_types", "is_destroyed", "is_regenerated", "was_used",
    )  # fmt: skip

    holder: ClassVar[str] = "session"

    was_used: bool
    """It was read or changed in this exchange, so the answer may depend on it."""
    is_regenerated: bool
    """`regenerate` was called."""
    is_destroyed: bool
    """`destroy` was called."""

    def __init__(self, data: Mapping[str, Any] | None = None, *, load: Callable[[], SessionRecord | None] | None = None) -> None:
        self.was_used = self.is_regenerated = self.is_destroyed = False
        self._locked: str | None = None
        self._settled: str | None = None
        self._types: dict[str, Any] = {}  # of the entries that a typed key made into something else than JSON gives
        self._data: dict[str, Any] | None = None
        self._load = _nothing if load is None else load
        if data is not None:
            self._adopt(SessionRecord({name: msgspec.json.decode(_encoded(name, value)) for name, value in data.items()}))

    # ---- the mapping

    def _entries(self) -> dict[str, Any]:
        self.was_used = True
        return self._loaded()

    def _changing(self, name: str) -> dict[str, Any]:
        self._check_open(f"value {name!r}")
        return self._entries()

    def _kept(self, key: Key[Any] | str, value: Any) -> Any:
        name = key if isinstance(key, str) else key.name
        encoded = _encoded(name, value)
        self._types.pop(name, None)
        if not isinstance(key, SessionKey):
            return msgspec.json.decode(encoded)
        try:
            copy = key.decode(encoded)
        except msgspec.MsgspecError as error:
            raise NotJSON(name, f"it does not come back as {key!r} says ({error})") from error
        self._types[name] = key.value_type
        return copy

    def _given(self, key: Key[Any] | str, value: Any) -> Any:
        if isinstance(key, str):
            return self._as_json(key, value) if key in self._types else value
        if not isinstance(key, SessionKey) or key.value_type is None or self._types.get(key.name) == key.value_type:
            return value
        try:
            made = key.decode(_encoded(key.name, value))
        except msgspec.MsgspecError as error:
            raise StaleValue(key, error) from error
        # Kept, so that it may be changed in place.
        self._loaded()[key.name] = made
        self._types[key.name] = key.value_type
        return made

    def _as_json(self, name: str, value: Any) -> Any:
        """A value that a typed key made, read by its bare name: as the next exchange would read it."""
        plain = msgspec.json.decode(_encoded(name, value))
        if plain == value:
            return value
        del self._types[name]
        self._loaded()[name] = plain
        return plain

    def __repr__(self) -> str:
        return f"Session({'not asked for yet' if self._data is None else sorted(self._data)})"

    # ---- the whole of it

    @property
    def is_new(self) -> bool:
        """Nothing came with this exchange: the client was never here, or what it sent is not valid (any more)."""
        self._entries()
        return self._is_new

    @property
    def max_age(self) -> int | None:
        """How many seconds this session lives after it was last saved; None: as the middleware says. Kept with the session."""
        self._entries()
        return self._max_age

    @max_age.setter
    def max_age(self, seconds: int | None) -> None:
        if seconds is not None and (type(seconds) is not int or seconds <= 0):
            raise ValueError(f"max_age is a whole number of seconds above 0, got {seconds!r}; use destroy() to end a session")
        self._check_unsettled("max_age")
        self._entries()
        self._max_age = seconds

    @property
    def is_changed(self) -> bool:
        """Saving it would change what is kept, values changed in place included."""
        if self._data is None:
            return self.is_destroyed
        return self.is_regenerated or self.is_destroyed or self.encoded() != self._before

    def clear(self) -> None:
        """Forgets every value. A session left empty is removed from the client.

        Raises:
            SessionNotSaved: it is too late.
        """
        self._check_open("the values")
        self._entries().clear()
        self._types.clear()

    def regenerate(self) -> None:
        """Keeps the values under a new identity: call it whenever the client gains rights, at login above all.

        With a store the session gets a new id and the old one leads nowhere. A session kept in a cookie has no id: the cookie
        is issued anew, and nobody who planted or copied the old one learns of the new values; but the old one goes on saying
        what it said until it expires.

        Raises:
            SessionNotSaved: it is too late.
        """
        self._check_unsettled("the identity")
        self._entries()
        self.is_regenerated = True

    def destroy(self) -> None:
        """Ends the session: the values go, the client's cookie goes, and with a store what was kept. Nothing can be set after it.

        A session kept in a cookie ends where this answer arrives; a copy made before stays valid until it expires. Where
        logging out has to hold against copies, keep sessions in a store.

        Raises:
            SessionNotSaved: it is too late.
        """
        if self.is_destroyed:
            return
        self._check_open("the end")
        self._entries().clear()
        self._types.clear()
        self.is_destroyed = True

    # ---- what the middleware asks

    def lock(self, why: str | None) -> None:
        """From now on every change is refused, for this reason; None takes that back."""
        self._locked = why

    def settle(self, why: str) -> None:
        """From now on the values may change, but neither identity nor `max_age`, for this reason."""
        self._settled = why

    @property
    def is_empty(self) -> bool:
        """It holds nothing."""
        return not self._loaded()

    def encoded(self) -> bytes:
        """What is to be kept, as JSON: a `SessionRecord`.

        Raises:
            NotJSON: a value was changed in place to something that has no JSON form.
        """
        data = self._loaded()
        try:
            return msgspec.json.encode(SessionRecord(data, self._max_age))
        except (TypeError, ValueError, RecursionError):
            for name, value in data.items():
                _encoded(name, value)
            raise

    def sizes(self) -> dict[str, int]:
        """The bytes of JSON that each value takes."""
        return {name: len(_encoded(name, value)) for name, value in self._loaded().items()}

    # ---- inside

    def _loaded(self) -> dict[str, Any]:
        return self._adopt(self._load()) if self._data is None else self._data

    def _adopt(self, record: SessionRecord | None) -> dict[str, Any]:
        self._is_new = record is None
        data = self._data = {} if record is None else record.data
        self._max_age = None if record is None else record.max_age
        self._before = self.encoded()
        return data

    def _check_open(self, what: str) -> None:
        if self._locked is not None:
            raise SessionNotSaved(what, self._locked)
        if self.is_destroyed:
            raise SessionNotSaved(what, "it was destroyed; to start afresh call clear() and regenerate() instead")

    def _check_unsettled(self, what: str) -> None:
        self._check_open(what)
        if self._settled is not None:
            raise SessionNotSaved(what, self._settled)


def _nothing() -> None:
    """No record came."""


def _encoded(name: str, value: Any) -> bytes:
    try:
        return msgspec.json.encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise NotJSON(name, error) from error
