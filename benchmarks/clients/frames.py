"""WebSocket bytes made once and sent often: the opening handshake and masked frames (RFC 6455)."""

import base64
import hashlib
import os
import struct
import zlib

TEXT = 0x1
BINARY = 0x2
DEFLATED = 0x40  # RSV1 (RFC 7692 section 6)

KEY = base64.b64encode(bytes(range(16)))
ACCEPT = base64.b64encode(hashlib.sha1(KEY + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11", usedforsecurity=False).digest())


def handshake(port: int, path: str, *, deflate: bool = False) -> bytes:
    """A request to open a WebSocket; with `deflate` it offers compression as Chromium does."""
    offer = b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n" if deflate else b""
    return (
        b"GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n%s\r\n" % (path.encode(), port, KEY, offer)
    )


def length_field(size: int, *, masked: bool) -> bytes:
    """Second byte of a frame and the extended length, shortest form (section 5.2)."""
    bit = 0x80 if masked else 0
    if size < 126:
        return bytes([bit | size])
    if size < 1 << 16:
        return struct.pack("!BH", bit | 126, size)
    return struct.pack("!BQ", bit | 127, size)


def client_frame(payload: bytes, opcode: int, *, flags: int = 0) -> bytes:
    """One whole message, masked."""
    mask = os.urandom(4)
    stretched = (mask * (len(payload) // 4 + 1))[: len(payload)]
    masked = (int.from_bytes(payload, "big") ^ int.from_bytes(stretched, "big")).to_bytes(len(payload), "big")
    return bytes([0x80 | flags | opcode]) + length_field(len(payload), masked=True) + mask + masked


def deflated_frame(payload: bytes) -> bytes:
    """One whole text message, compressed and masked (RFC 7692 section 7.2.1)."""
    packer = zlib.compressobj(wbits=-15)
    packed = packer.compress(payload) + packer.flush(zlib.Z_SYNC_FLUSH)
    return client_frame(packed.removesuffix(b"\x00\x00\xff\xff"), TEXT, flags=DEFLATED)


def server_frame(payload: bytes, opcode: int) -> bytes:
    """The echo to expect: one whole message, not masked."""
    return bytes([0x80 | opcode]) + length_field(len(payload), masked=False) + payload
