"""Sockets and loops: asyncio's Protocols, and any anyio byte stream."""
