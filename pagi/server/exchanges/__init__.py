"""Conversations with the application, one class for each scope type, whatever the framing."""
