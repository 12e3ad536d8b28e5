"""Topics: a name and the type of what is published under it. Data becomes JSON here and nowhere else."""

from typing import Any, Generic, TypeVar, overload

import msgspec
import msgspec.inspect

from pagi.http.errors import AppError, ConfigError

T = TypeVar("T")

MOST_NAME_CHARACTERS = 200

_encode = msgspec.json.Encoder().encode
_decode_anything = msgspec.json.Decoder().decode


class InvalidTopic(AppError, ValueError):
    """A name that no topic may have."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"a topic's name is 1 to {MOST_NAME_CHARACTERS} printable characters, got {len(name)}: {name[:MOST_NAME_CHARACTERS]!r}"
        )
        self.name = name


class Unpublishable(AppError, ValueError):
    """Data that its topic cannot carry. Nothing was published."""

    def __init__(self, topic: str, expected: str, data: object, error: Exception) -> None:
        super().__init__(f"topic {topic!r} carries {expected}, and this {type(data).__name__} does not fit: {error}")
        self.topic = topic


class Topic(Generic[T]):
    """A name, and the type of what is published under it. Topics of one name are one topic.

    The type is anything that msgspec reads from JSON. Where it is no class, say it twice:
    `Topic[int | None]("level", int | None)`.

    Raises:
        InvalidTopic: the name is empty, longer than 200 characters, or not printable.
        ConfigError: the type cannot be read from JSON.
    """

    __slots__ = ("decode", "name", "value_type")

    @overload
    def __init__(self, name: str, value_type: type[T]) -> None: ...
    @overload
    def __init__(self, name: str, value_type: object) -> None: ...
    def __init__(self, name: str, value_type: Any) -> None:
        self.name = checked_name(name)
        self.value_type = value_type
        try:
            known = msgspec.inspect.type_info(value_type)
            decoder: msgspec.json.Decoder[T] = msgspec.json.Decoder(value_type)
        except (TypeError, NameError) as error:
            raise ConfigError(f"topic {name!r} cannot carry {_shown(value_type)}: {error}") from error
        if isinstance(known, msgspec.inspect.CustomType):
            remedy = "use a msgspec.Struct or a dataclass"
            raise ConfigError(f"topic {name!r} cannot carry {_shown(value_type)}: nothing says how to read it from JSON; {remedy}")
        self.decode = decoder.decode
        """From JSON to the type, or a `msgspec.DecodeError`."""

    def __repr__(self) -> str:
        return f"Topic({self.name!r}, {_shown(self.value_type)})"


def checked_name(name: str) -> str:
    """`name`, if a topic may be called so.

    Raises:
        InvalidTopic: it may not.
    """
    # Names may come from clients, and they are kept and shown: hence short and printable, which a lone surrogate is not.
    if 0 < len(name) <= MOST_NAME_CHARACTERS and name.isprintable():
        return name
    raise InvalidTopic(name)


def untyped(name: str) -> Topic[Any]:
    """The topic that a bare name stands for: any JSON.

    Raises:
        InvalidTopic: no topic may be called so.
    """
    return Topic[Any](name, Any)


def encoded(topic: Topic[Any] | str, data: object) -> bytes:
    """`data` as the JSON that every reader of `topic` will be able to read.

    It is read back once: encoding alone would let a field of the wrong type pass, for each reader to stumble over.

    Raises:
        InvalidTopic: no topic may be called so.
        Unpublishable: the data does not fit.
    """
    if isinstance(topic, Topic):
        name, decode = topic.name, topic.decode
    else:
        name, decode = checked_name(topic), _decode_anything
    try:
        text = _encode(data)
        decode(text)
    except (TypeError, ValueError, ArithmeticError, RecursionError, msgspec.MsgspecError) as error:
        raise Unpublishable(name, "JSON" if isinstance(topic, str) else _shown(topic.value_type), data, error) from error
    return text


def _shown(value_type: Any) -> str:
    return str(value_type) if hasattr(value_type, "__args__") else str(getattr(value_type, "__name__", value_type))
