"""What a scope must hold, as tables: what `scopes` tells readers, in a form that `Lint` can look at. Other keys are anybody's."""

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard, cast

from pagi.http.errors import PagiError
from pagi.http.headers import TOKEN


class BadScope(PagiError):
    """An application was called with a scope that is none: by its server, or by middleware around it."""

    def __init__(self, key: str, detail: str) -> None:
        super().__init__(detail)
        self.key = key


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a scope: what its value may be."""

    words: str
    test: Callable[[Any], bool]
    required: bool = True


def _instance(*types: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, types)


def _is_two(value: object, first: type, *second: type) -> bool:
    if not isinstance(value, (tuple, list)):
        return False
    pair = cast("Sequence[object]", value)
    return len(pair) == 2 and isinstance(pair[0], first) and isinstance(pair[1], second)


def is_pair(value: object) -> TypeGuard[Sequence[bytes]]:
    """True for a header: name and value, in bytes. ASGI takes a list of two for one."""
    return _is_two(value, bytes, bytes)


def is_lower_name(name: bytes) -> bool:
    """True for a field name in lower case.

    >>> is_lower_name(b"content-type"), is_lower_name(b"Content-Type"), is_lower_name(b"a b")
    (True, False, False)
    """
    return name == name.lower() and TOKEN.fullmatch(name.decode("latin-1")) is not None


def _is_header_list(value: object) -> bool:
    return isinstance(value, (list, tuple)) and all(is_pair(pair) and is_lower_name(pair[0]) for pair in cast("Sequence[object]", value))


def _is_text_list(value: object) -> bool:
    return isinstance(value, (list, tuple)) and all(isinstance(text, str) for text in cast("Sequence[object]", value))


_NONE = type(None)
_TEXT = Key("text (str)", _instance(str))
_BYTES = Key("bytes", _instance(bytes))
_ANY_TEXT = Key("text (str)", _instance(str), required=False)
_VERSIONS = Key("a dict with a 'version'", lambda value: isinstance(value, Mapping) and "version" in value)
_STATE = Key("a mapping that can be written to", _instance(MutableMapping), required=False)

_EXCHANGE: dict[str, Key] = {
    "asgi": _VERSIONS,
    "http_version": Key("one of '1.0', '1.1', '2', '3'", lambda value: value in ("1.0", "1.1", "2", "3")),
    "path": _TEXT,
    "raw_path": Key("bytes or None", _instance(bytes, _NONE), required=False),
    "query_string": _BYTES,
    "root_path": _ANY_TEXT,
    "headers": Key("a list of (name, value) pairs of bytes, names in lower case", _is_header_list),
    "client": Key("(host, port) or None", lambda value: value is None or _is_two(value, str, int), required=False),
    "server": Key("(host, port), (path, None) or None", lambda value: value is None or _is_two(value, str, int, _NONE), required=False),
    "state": _STATE,
    "extensions": Key("a dict or None", _instance(Mapping, _NONE), required=False),
}
_HTTP: dict[str, Key] = {
    **_EXCHANGE,
    "method": Key("text (str) in upper case", lambda value: isinstance(value, str) and value == value.upper()),
    "scheme": _ANY_TEXT,
}

KEYS: dict[str, dict[str, Key]] = {
    "http": _HTTP,
    "sse": _HTTP,
    "websocket": {
        **_EXCHANGE,
        "scheme": _ANY_TEXT,
        "subprotocols": Key("a list of text (str)", _is_text_list, required=False),
    },
    "lifespan": {"asgi": _VERSIONS, "state": _STATE},
}
"""`KEYS[scope type][key]`: all that a scope of each type holds. What ASGI leaves optional may be absent, under another server."""


def check_scope(scope: object) -> str:
    """The type of a scope that has all it needs.

    Raises:
        BadScope: it is none; the message names the key at fault.
    """
    if not isinstance(scope, MutableMapping):
        raise BadScope("type", f"a scope must be a dict, got {type(scope).__name__}")
    known = cast("MutableMapping[str, Any]", scope)
    kind = known.get("type")
    if not isinstance(kind, str) or kind not in KEYS:
        raise BadScope("type", f"scope['type'] must be one of {', '.join(KEYS)}, got {kind!r:.64}")
    for name, key in KEYS[kind].items():
        if name not in known:
            if key.required:
                raise BadScope(name, f"a scope of {kind} lacks {name!r}, which must be {key.words}")
        elif not key.test(known[name]):
            raise BadScope(name, f"scope[{name!r}] of {kind} must be {key.words}, got {_shown(name, known[name])}")
    return kind


def _shown(name: str, value: object) -> str:
    if name == "headers" and isinstance(value, (list, tuple)):
        # The name of the field at fault; its value may be a secret.
        for pair in cast("Sequence[object]", value):
            if not is_pair(pair):
                return f"a {type(pair).__name__} that is no such pair"
            if not is_lower_name(pair[0]):
                return f"{pair[0]!r:.64}"
    return f"{value!r:.64}"
