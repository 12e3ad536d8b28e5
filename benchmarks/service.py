"""What a server is told to serve: one application on one port, in one of the ways a workload asks for."""

from pathlib import Path

import msgspec


class KeyPair(msgspec.Struct, frozen=True):
    """A certificate for 127.0.0.1 and its key, two PEM files. The certificate is its own authority."""

    certificate: Path
    key: Path


class Service(msgspec.Struct, frozen=True):
    """One application, where and how."""

    app: str
    port: int = 0
    """0: not known yet."""
    http2: bool = False
    key_pair: KeyPair | None = None
    """With it the server speaks TLS."""

    def url(self, path: str) -> str:
        return f"{'http' if self.key_pair is None else 'https'}://127.0.0.1:{self.port}{path}"
