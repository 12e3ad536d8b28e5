"""The server: HTTP/1.1, WebSocket and event streams for any ASGI application, in one process. It knows nothing of the framework."""

from pagi.server.options import ServerOptions, server_options
from pagi.server.process.run import run, serve
from pagi.server.server import Server

__all__ = ["Server", "ServerOptions", "run", "serve", "server_options"]
