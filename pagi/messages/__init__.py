"""Requests, responses, WebSockets and event streams: the operations over the agreement, each written once."""
