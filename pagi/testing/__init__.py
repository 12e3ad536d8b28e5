"""What tests import: a client on the real server over memory, and a live server for the few that need a socket."""

from pagi.server.process.lifespan import StartupFailed
from pagi.testing.client import LifespanFailed, NotRefused, TestClient
from pagi.testing.cookies import Cookies
from pagi.testing.event_stream import EventStreamSession, StreamDeclined, StreamEnded
from pagi.testing.line import RawConnection
from pagi.testing.live import LiveServer, live_server
from pagi.testing.redirects import RedirectNotFollowed
from pagi.testing.reply import NotJSON, Reply, ServerBrokeProtocol, ServerHungUp, StreamedReply
from pagi.testing.sync_client import SyncTestClient
from pagi.testing.sync_sessions import SyncEventStreamSession, SyncRawConnection, SyncStreamedReply, SyncWebSocketSession
from pagi.testing.websocket import UnexpectedMessage, WebSocketClosed, WebSocketDenied, WebSocketSession

__all__ = [
    "Cookies",
    "EventStreamSession",
    "LifespanFailed",
    "LiveServer",
    "NotJSON",
    "NotRefused",
    "RawConnection",
    "RedirectNotFollowed",
    "Reply",
    "ServerBrokeProtocol",
    "ServerHungUp",
    "StartupFailed",
    "StreamDeclined",
    "StreamEnded",
    "StreamedReply",
    "SyncEventStreamSession",
    "SyncRawConnection",
    "SyncStreamedReply",
    "SyncTestClient",
    "SyncWebSocketSession",
    "TestClient",
    "UnexpectedMessage",
    "WebSocketClosed",
    "WebSocketDenied",
    "WebSocketSession",
    "live_server",
]
