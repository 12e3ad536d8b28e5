"""Routers and endpoints as applications of their own. What an app is, is known above; it leaves word here how one is made."""

from collections.abc import Callable
from typing import Any

from pagi.gateway.types import ASGIApp

MakeApp = Callable[[Any], ASGIApp]
"""Makes the app around a router, or around an endpoint (a class or an instance) at its root."""

_makers: list[MakeApp] = []


def leave_word(make: MakeApp) -> None:
    """Says how an app is made; `pagi.application` does."""
    _makers[:] = [make]


def app_around(thing: Any) -> ASGIApp:
    """An app that serves this router or endpoint and nothing else."""
    (make,) = _makers
    return make(thing)
