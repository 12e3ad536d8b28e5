"""The agreement between server and application: scopes, events and their order, handles, and the bridge to plain ASGI."""

# The callable
from pagi.gateway.types import AnyApp, ASGIApp, HeaderList, Message, Receive, Scope, Send  # isort: skip
from pagi.gateway.marker import Marker, app, is_pagi  # isort: skip

# What scopes and events hold
from pagi.gateway import events, scopes  # isort: skip

# What may be sent when
from pagi.gateway.fields import BadEvent, check  # isort: skip
from pagi.gateway.grammar import START, EventOutOfOrder, advance, is_final  # isort: skip

# How an exchange ends
from pagi.gateway.reasons import MEANING, ClientGone, Outcome, Reason, outcome_of  # isort: skip
from pagi.gateway.connection import ConnectionHandle  # isort: skip
from pagi.gateway.transport import TransportHandle  # isort: skip

# Event streams, and other servers and applications
from pagi.gateway.event_stream import EventStream, adapt  # isort: skip
from pagi.gateway.asgi import PAGI_VERSION, as_asgi, plain_scope, wants_events, whole_scope  # isort: skip

__all__ = [
    "MEANING",
    "PAGI_VERSION",
    "START",
    "ASGIApp",
    "AnyApp",
    "BadEvent",
    "ClientGone",
    "ConnectionHandle",
    "EventOutOfOrder",
    "EventStream",
    "HeaderList",
    "Marker",
    "Message",
    "Outcome",
    "Reason",
    "Receive",
    "Scope",
    "Send",
    "TransportHandle",
    "adapt",
    "advance",
    "app",
    "as_asgi",
    "check",
    "events",
    "is_final",
    "is_pagi",
    "outcome_of",
    "plain_scope",
    "scopes",
    "wants_events",
    "whole_scope",
]
