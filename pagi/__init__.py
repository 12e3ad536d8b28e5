"""pagi: HTTP, WebSocket and Server-Sent Events, as one framework. What application authors import, and nothing else."""

from pagi.first_process import step_aside_early

step_aside_early()  # before all other imports: see there

from pagi.application import App
from pagi.context.context import Context
from pagi.context.http import HTTPContext
from pagi.context.next import Middleware, Next
from pagi.context.session import Session, SessionKey
from pagi.context.sse import SSEContext
from pagi.context.stash import Stash, StashKey
from pagi.context.state import State
from pagi.context.websocket import WebSocketContext
from pagi.endpoints.codecs import Codec
from pagi.endpoints.decorators import delete, get, head, options, patch, post, put, route, sse, websocket
from pagi.endpoints.endpoint import HTTPEndpoint, SSEEndpoint, WebSocketEndpoint
from pagi.endpoints.invalid import InvalidInput
from pagi.endpoints.router import Router
from pagi.gateway.reasons import ClientGone, Outcome, Reason
from pagi.http.errors import AppError, ConfigError, PagiError, PeerError
from pagi.http.event_stream import Event
from pagi.http.url import with_query
from pagi.injection.markers import Body, Cookie, Depends, File, Form, Header, Path, Query
from pagi.injection.providers import Provider, provider
from pagi.messages.builder import ResponseBuilder
from pagi.messages.channel import Head
from pagi.messages.files import FileResponse
from pagi.messages.form_limits import FormLimits
from pagi.messages.forms import FormData
from pagi.messages.problems import HTTPException
from pagi.messages.request import Request
from pagi.messages.response import HTML, JSON, Redirect, Response, SentResponse, Text
from pagi.messages.sse import SSE
from pagi.messages.stream import Stream
from pagi.messages.uploads import UploadFile
from pagi.messages.websocket import WebSocket, WebSocketClosed
from pagi.messages.writer import Writer
from pagi.middleware.only import only
from pagi.middleware.when import when
from pagi.routing.converters import Converter
from pagi.server import Server, serve
from pagi.tasks import Tasks

__all__ = [
    "HTML",
    "JSON",
    "SSE",
    "App",
    "AppError",
    "Body",
    "ClientGone",
    "Codec",
    "ConfigError",
    "Context",
    "Converter",
    "Cookie",
    "Depends",
    "Event",
    "File",
    "FileResponse",
    "Form",
    "FormData",
    "FormLimits",
    "HTTPContext",
    "HTTPEndpoint",
    "HTTPException",
    "Head",
    "Header",
    "InvalidInput",
    "Middleware",
    "Next",
    "Outcome",
    "PagiError",
    "Path",
    "PeerError",
    "Provider",
    "Query",
    "Reason",
    "Redirect",
    "Request",
    "Response",
    "ResponseBuilder",
    "Router",
    "SSEContext",
    "SSEEndpoint",
    "SentResponse",
    "Server",
    "Session",
    "SessionKey",
    "Stash",
    "StashKey",
    "State",
    "Stream",
    "Tasks",
    "Text",
    "UploadFile",
    "WebSocket",
    "WebSocketClosed",
    "WebSocketContext",
    "WebSocketEndpoint",
    "Writer",
    "delete",
    "get",
    "head",
    "only",
    "options",
    "patch",
    "post",
    "provider",
    "put",
    "route",
    "serve",
    "sse",
    "websocket",
    "when",
    "with_query",
]
