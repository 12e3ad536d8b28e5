"""How much a WebSocket engine takes: the limit of a message, bombs, tiny fragments."""

import random
import zlib

import pytest

from pagi.server.wire.deflate import deflate
from pagi.server.wire.masking import portable_mask
from pagi.server.wire.websocket import WebSocketEngine
from pagi.server.wire.websocket_events import (
    BinaryMessage,
    TextMessage,
)
from tests.server.wire.client_frames import (
    BINARY,
    CONTINUATION,
    DEFLATE,
    FIN,
    KEY,
    KIB,
    MIB,
    RSV1,
    TEXT,
    code_of,
    frame,
    packed,
    peak_while,
    text,
)

TOO_BIG: dict[str, bytes] = {
    "a short frame": frame(FIN | TEXT, b"x" * 101),
    "a short frame's header alone": frame(FIN | TEXT, size=101),
    "a 16-bit header alone": frame(FIN | BINARY, size=1000),
    "a 64-bit header alone": frame(FIN | BINARY, size=(1 << 63) - 1),
    "the first of fragments": frame(TEXT, size=101),
    "fragments together": frame(TEXT, b"x" * 60) + frame(FIN, size=41),
    "an endless run of fragments": frame(BINARY, b"x" * 20) + frame(CONTINUATION, b"x" * 20) * 5,
    "a compressed frame longer than any that could fit": frame(FIN | RSV1 | BINARY, size=100 + 12 + 65),
    "a frame that inflates past it": packed(b"x" * 101),
    "fragments that inflate past it": frame(RSV1 | BINARY, deflate(b"x" * 101, 15)),
}


@pytest.mark.parametrize("data", TOO_BIG.values(), ids=TOO_BIG)
def test_over_the_limit_is_1009(data: bytes) -> None:
    assert code_of(WebSocketEngine(100, DEFLATE).receive(data)) == [1009]


@pytest.mark.parametrize(
    "data",
    [text("x" * 100), frame(TEXT, b"x" * 60) + frame(FIN, b"x" * 40), packed(b"x" * 100, TEXT)],
    ids=["plain", "fragments", "packed"],
)
def test_exactly_the_limit_is_a_message(data: bytes) -> None:
    assert WebSocketEngine(100, DEFLATE).receive(data) == [TextMessage("x" * 100)]


def test_what_compression_only_lengthens_may_fill_the_limit() -> None:
    noise = random.Random(2).randbytes(100)
    stored = zlib.compressobj(0, zlib.DEFLATED, -15)
    payload = (stored.compress(noise) + stored.flush(zlib.Z_SYNC_FLUSH))[:-4]
    assert len(payload) > 100
    assert WebSocketEngine(100, DEFLATE).receive(frame(FIN | RSV1 | BINARY, payload)) == [BinaryMessage(noise)]


def test_each_message_is_measured_afresh() -> None:
    engine = WebSocketEngine(100)
    for _ in range(5):
        assert engine.receive(frame(BINARY, b"x" * 60) + frame(FIN, b"x" * 40)) == [BinaryMessage(b"x" * 100)]


def bomb(size: int) -> bytes:
    """A compressed frame of zeros, about a thousandth of what it inflates to."""
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    chunk = bytes(MIB)
    parts = [stream.compress(chunk) for _ in range(size // MIB)]
    return frame(FIN | RSV1 | BINARY, b"".join([*parts, stream.flush(zlib.Z_SYNC_FLUSH)])[:-4])


@pytest.mark.parametrize("cut", [65536, 1460])
def test_a_bomb_of_256_mib_on_twenty_sockets_takes_little_more_than_the_limit(cut: int) -> None:
    data = bomb(256 * MIB)
    engines = [WebSocketEngine(MIB, DEFLATE) for _ in range(20)]
    codes: list[int] = []

    def attack() -> None:
        for start in range(0, len(data), cut):
            for engine in engines:
                codes.extend(code_of(engine.receive(data[start : start + cut])))

    assert peak_while(attack) < 8 * MIB
    assert codes == [1009] * 20


def test_a_bomb_in_fragments_takes_little_more_than_the_limit() -> None:
    payload = portable_mask(bomb(256 * MIB)[14:], KEY)
    pieces = [payload[i : i + 500] for i in range(0, len(payload), 500)]
    data = frame(RSV1 | BINARY, pieces[0]) + b"".join(frame(CONTINUATION, piece) for piece in pieces[1:])
    engine = WebSocketEngine(MIB, DEFLATE)
    codes: list[int] = []
    assert peak_while(lambda: codes.extend(code_of(engine.receive(data)))) < 6 * MIB
    assert codes == [1009]


def test_a_message_in_tiny_fragments_takes_little_more_than_its_bytes() -> None:
    engine = WebSocketEngine(MIB)
    engine.receive(frame(TEXT, b"a"))
    burst = frame(CONTINUATION, "ß".encode()) * 100

    def drip() -> None:
        for _ in range(100):
            engine.receive(burst)

    assert peak_while(drip) < 64 * KIB
