"""WSGI applications (PEP 3333) as ASGI ones: each call in a thread, its body and answer streamed with backpressure both ways."""

from pagi.gateway.wsgi.application import WSGI

__all__ = ["WSGI"]
