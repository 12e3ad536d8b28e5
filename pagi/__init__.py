"""pagi: HTTP, WebSocket and Server-Sent Events, as one framework. What application authors import, and nothing else."""

from pagi.application import App
from pagi.context.context import Context
from pagi.context.http import HTTPContext
from pagi.context.next import Middleware, Next
from pagi.context.sse import SSEContext
from pagi.context.stash import Stash, StashKey
from pagi.context.websocket import WebSocketContext
from pagi.endpoints.router import Router
from pagi.gateway.reasons import ClientGone, Outcome, Reason
from pagi.http.errors import AppError, ConfigError, PagiError, PeerError
from pagi.http.event_stream import Event
from pagi.messages.builder import ResponseBuilder
from pagi.messages.channel import Head
from pagi.messages.files import FileResponse
from pagi.messages.problems import HTTPException
from pagi.messages.request import Request
from pagi.messages.response import HTML, JSON, Redirect, Response, SentResponse, Text
from pagi.messages.sse import SSE
from pagi.messages.stream import Stream
from pagi.messages.websocket import WebSocket, WebSocketClosed
from pagi.middleware.only import only
from pagi.middleware.when import when
from pagi.server import Server, serve

__all__ = [
    "HTML",
    "JSON",
    "SSE",
    "App",
    "AppError",
    "ClientGone",
    "ConfigError",
    "Context",
    "Event",
    "FileResponse",
    "HTTPContext",
    "HTTPException",
    "Head",
    "Middleware",
    "Next",
    "Outcome",
    "PagiError",
    "PeerError",
    "Reason",
    "Redirect",
    "Request",
    "Response",
    "ResponseBuilder",
    "Router",
    "SSEContext",
    "SentResponse",
    "Server",
    "Stash",
    "StashKey",
    "Stream",
    "Text",
    "WebSocket",
    "WebSocketClosed",
    "WebSocketContext",
    "only",
    "serve",
    "when",
]
