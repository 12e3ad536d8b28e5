"""Frames as a WebSocket client sends them, lawful or not, and what to ask an engine about them."""

import tracemalloc
from collections.abc import Callable

from pagi.server.wire.deflate import DeflateTerms, deflate
from pagi.server.wire.masking import portable_mask
from pagi.server.wire.websocket import WebSocketEngine
from pagi.server.wire.websocket_events import WSEvent, WSFault

KIB = 1024
MIB = 1024 * KIB
LIMIT = 16 * MIB
KEY = b"\x12\x34\x56\x78"
DEFLATE = [DeflateTerms()]

FIN, RSV1, RSV2, RSV3 = 0x80, 0x40, 0x20, 0x10
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def frame(first: int, payload: bytes = b"", *, masked: bool = True, size: int | None = None, form: int | None = None) -> bytes:
    """A client's frame. `size` lies about the payload, `form` (7, 16, 64) forces a length form."""
    size = len(payload) if size is None else size
    form = form or (7 if size < 126 else 16 if size < 65536 else 64)
    bit = 0x80 if masked else 0
    length = {
        7: bytes([bit | size & 0x7F]),
        16: bytes([bit | 126]) + (size & 0xFFFF).to_bytes(2, "big"),
        64: bytes([bit | 127]) + size.to_bytes(8, "big"),
    }
    return bytes([first]) + length[form] + (KEY + portable_mask(payload, KEY) if masked else payload)


def text(payload: str) -> bytes:
    return frame(FIN | TEXT, payload.encode())


def packed(payload: bytes, opcode: int = BINARY) -> bytes:
    return frame(FIN | RSV1 | opcode, deflate(payload, 15))


def close(code: int, reason: bytes = b"") -> bytes:
    return frame(FIN | CLOSE, code.to_bytes(2, "big") + reason)


def output(engine: WebSocketEngine) -> bytes:
    return b"".join(engine.take_output())


def in_bytes(engine: WebSocketEngine, data: bytes) -> list[WSEvent]:
    return [event for byte in data for event in engine.receive(bytes([byte]))]


def code_of(events: list[WSEvent]) -> list[int]:
    return [event.code for event in events if isinstance(event, WSFault)]


def peak_while(fn: Callable[[], object]) -> int:
    """Most bytes that Python held at once during `fn`, above what it held before."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        fn()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


def send(engine: WebSocketEngine, message: str | bytes) -> None:
    if isinstance(message, str):
        engine.send_text(message)
    else:
        engine.send_bytes(message)


def closing() -> WebSocketEngine:
    engine = WebSocketEngine(LIMIT, DEFLATE)
    engine.close(1001, "bye")
    assert output(engine) == b"\x88\x05\x03\xe9bye"
    return engine
