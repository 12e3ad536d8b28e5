"""What a server hands to an application through `receive`, as tables: the other direction of `fields` and `grammar`.

The server's own code keeps them by how it is built, and does not ask. `Lint` does: middleware may stand in between.
"""

from collections.abc import Mapping
from typing import Any

from pagi.gateway.fields import BadEvent, check, plain, type_of
from pagi.gateway.forms import BYTES, CODE, FLAG, TEXT, Form, form

_BODY = form(body=BYTES, more_body=FLAG)

FORMS: dict[str, dict[str, Form]] = {
    "http": {"http.request": _BODY, "http.disconnect": form()},
    "sse": {"sse.request": _BODY, "sse.disconnect": form(reason=TEXT)},
    "websocket": {
        "websocket.connect": form(),
        "websocket.receive": form(choice=("bytes", "text"), choice_required=True, bytes=BYTES, text=TEXT),
        "websocket.disconnect": form(code=CODE, reason=TEXT),
    },
    "lifespan": {"lifespan.startup": form(), "lifespan.shutdown": form()},
}
"""`FORMS[kind][event type]`: every event that an application may be handed."""

_PLAIN = plain(FORMS)

ORDER: dict[str, dict[str, dict[str, str]]] = {
    "http": {
        "start": {"http.request": "whole", "http.disconnect": "gone"},
        "whole": {"http.disconnect": "gone"},
        "gone": {"http.disconnect": "gone"},
    },
    "sse": {
        "start": {"sse.request": "whole", "sse.disconnect": "gone"},
        "whole": {"sse.disconnect": "gone"},
        "gone": {"sse.disconnect": "gone"},
    },
    "websocket": {
        "start": {"websocket.connect": "open"},
        "open": {"websocket.receive": "open", "websocket.disconnect": "gone"},
        "gone": {"websocket.disconnect": "gone"},
    },
    "lifespan": {
        "start": {"lifespan.startup": "running"},
        "running": {"lifespan.shutdown": "ending"},
        "ending": {},
    },
}
"""`ORDER[kind][state][event type]` is the next state. A request whose body goes on (`more_body`) stays in its state."""

MEANING = {
    "start": "nothing was received yet that ends it",
    "whole": "the request's body is whole",
    "open": "the handshake was received",
    "gone": "the client's departure was received",
    "running": "start-up was asked for",
    "ending": "shutdown was asked for",
}
"""Every state in words."""


class ReceivedOutOfOrder(BadEvent):
    """An application was handed an event that may not come now: by its server, or by middleware around it."""

    def __init__(self, kind: str, state: str, event_type: str) -> None:
        follows = " or ".join(ORDER[kind][state]) or "nothing more"
        super().__init__(kind, event_type, f"{event_type!r} was handed over out of order on {kind}: {MEANING[state]}; {follows} may follow")
        self.state = state


def received(kind: str, state: str, event: Mapping[str, Any]) -> str:
    """The state after the application was handed `event`, whose fields and order are looked at.

    >>> received("http", "start", {"type": "http.request", "body": b"a", "more_body": True})
    'start'
    >>> received("http", "start", {"type": "http.request", "body": b"b", "more_body": False})
    'whole'

    Raises:
        BadEvent: no such event, a field of the wrong type, or both or none of `bytes` and `text`.
        ReceivedOutOfOrder: it may not come now.
    """
    check(kind, event, _PLAIN)
    after = ORDER[kind][state].get(event["type"])
    if after is None:
        raise ReceivedOutOfOrder(kind, state, str(type_of(event)))
    return state if after == "whole" and event.get("more_body") else after
