"""Codecs: how an app reads and writes classes that msgspec does not know."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec

Hook = Callable[[Any, Any], Any]
"""`(class, value) -> object`: what msgspec calls for a class that it does not know."""


class Codec(Protocol):
    """Teaches an app some classes: `App(codecs=[...])`. Whatever holds one may then be a body, a parameter, a message or a result."""

    def knows(self, cls: type[Any], /) -> bool:
        """It reads and writes this class. Asked at build, and when something of another class is to be written."""
        ...

    def decode(self, cls: type[Any], value: Any, /) -> Any:
        """The object of a value: of what stood in JSON, or of text from anywhere else.

        Raises:
            ValueError: the value does not fit; the client is told what it says.
        """
        ...

    def encode(self, value: Any, /) -> Any:
        """What goes out in place of an object: something that msgspec knows, or another codec."""
        ...


class Codecs:
    """All codecs of an app; the first that knows a class is asked."""

    def __init__(self, codecs: Sequence[Codec] = ()) -> None:
        self._codecs = tuple(codecs)
        self.hook: Hook | None = self._decode if self._codecs else None
        """For decoding; None where there is nothing to teach."""

    def know(self, cls: type[Any]) -> bool:
        """One of them reads and writes the class."""
        return any(codec.knows(cls) for codec in self._codecs)

    def encoder(self) -> Callable[[Any], bytes]:
        """What encodes JSON."""
        return (msgspec.json.Encoder(enc_hook=self._encode) if self._codecs else msgspec.json.Encoder()).encode

    def _decode(self, cls: Any, value: Any) -> Any:
        for codec in self._codecs:
            if codec.knows(cls):
                return codec.decode(cls, value)
        raise NotImplementedError(f"nothing here knows how {cls!r} is decoded")  # msgspec's word for it; the build has asked before

    def _encode(self, value: Any) -> Any:
        cls: type[Any] = value.__class__
        for codec in self._codecs:
            if codec.knows(cls):
                return codec.encode(value)
        raise TypeError(f"nothing here knows how {cls.__qualname__} is encoded; teach it with App(codecs=[...])")


PLAIN = Codecs()
"""msgspec by itself."""
