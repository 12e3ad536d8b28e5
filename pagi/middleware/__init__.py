"""What stands around handlers: one effect a file, and the fusing of it all."""

from pagi.middleware.builder import Builder
from pagi.middleware.compress import Compress
from pagi.middleware.cors import CORS
from pagi.middleware.only import only
from pagi.middleware.request_id import REQUEST_ID, RequestId
from pagi.middleware.session import Session
from pagi.middleware.when import when

__all__ = [
    "CORS",
    "REQUEST_ID",
    "Builder",
    "Compress",
    "RequestId",
    "Session",
    "only",
    "when",
]
