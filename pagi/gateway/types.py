"""The one callable, spelled as every ASGI framework spells it, so that either mounts the other under strict checkers."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
ASGIApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
AnyApp: TypeAlias = Callable[[Any, Any, Any], Awaitable[Any]]
"""What accepts a foreign application takes this: looser than `ASGIApp`, because other frameworks annotate more narrowly."""

HeaderList: TypeAlias = list[tuple[bytes, bytes]]
