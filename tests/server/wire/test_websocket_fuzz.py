"""The WebSocket engine against wsproto alone on the same bytes: alike, or stricter by the message limit. `PAGI_FUZZ_INPUTS` inputs."""

import os
import random
from collections import Counter
from itertools import pairwise
from typing import TypeAlias

import pytest
from wsproto import events as lib
from wsproto.connection import Connection, ConnectionState, ConnectionType

from pagi.server.wire import websocket
from pagi.server.wire.deflate import BoundedDeflate, DeflateTerms, deflate
from pagi.server.wire.masking import portable_mask
from pagi.server.wire.websocket import WebSocketEngine
from pagi.server.wire.websocket_events import BinaryMessage, Closed, Ping, Pong, TextMessage, WSEvent, WSFault

INPUTS = int(os.environ.get("PAGI_FUZZ_INPUTS", "20000"))
SEED = int(os.environ.get("PAGI_FUZZ_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
LIMIT = 70_000
TERMS = [DeflateTerms()]

Fact: TypeAlias = tuple[str, object]


class CountingEngine(WebSocketEngine):
    """Says which way every frame went."""

    __slots__ = ("counts",)

    def __init__(self, counts: Counter[str]) -> None:
        super().__init__(LIMIT, TERMS)
        self.counts = counts

    def receive(self, data: bytes) -> list[WSEvent]:
        by_calls = ("whole: told", "wsproto: told")
        before = sum(self.counts[name] for name in by_calls)
        events = super().receive(data)
        told = sum(isinstance(event, TextMessage | BinaryMessage) for event in events)
        self.counts["turn: not the last"] += bool(self.unread)
        self.counts["inline: told"] += told - (sum(self.counts[name] for name in by_calls) - before)
        return events

    def _top_up(self, buffer: bytearray, data: bytes, events: list[WSEvent]) -> int:
        self.counts["topped up"] += 1
        return super()._top_up(buffer, data, events)

    def _keep(self, data: bytes | bytearray, start: int, end: int, needed: int, events: list[WSEvent]) -> int:
        kept = super()._keep(data, start, end, needed, events)
        refused = bool(events) and isinstance(events[-1], WSFault)
        self.counts["kept: refused by its start" if refused else f"kept: part of a {'header' if end - start < 6 else 'frame'}"] += 1
        return kept

    def _whole(self, first: int, data: bytes | bytearray, start: int, size: int, events: list[WSEvent]) -> None:
        form = "compressed" if first & 0x40 else "short, in pieces" if size < 126 else "16-bit length" if size < 65536 else "64-bit length"
        self.counts[f"whole: {form}"] += 1
        super()._whole(first, data, start, size, events)
        self.counts["whole: refused" if isinstance(events[-1], WSFault) else "whole: told"] += 1

    def _text(self, payload: bytes, events: list[WSEvent]) -> None:
        super()._text(payload, events)
        self.counts["text: not UTF-8" if isinstance(events[-1], WSFault) else "text: UTF-8"] += 1

    def _control(self, data: bytes | bytearray, start: int, end: int, head: int, size: int, events: list[WSEvent]) -> int:
        self.counts["control"] += 1
        return super()._control(data, start, end, head, size, events)

    def _pings(self, data: bytes | bytearray, start: int, end: int, events: list[WSEvent]) -> int:
        before = len(events)
        after = super()._pings(data, start, end, events)
        place = "after our Close" if self.close_sent else "inside a message" if self._mid_message else "between messages"
        self.counts[f"pings: {place}"] += 1
        self.counts["pings: a run of them"] += len(events) > before + 1
        return after

    def _peer_closed(self, event: lib.CloseConnection, events: list[WSEvent]) -> None:
        self.counts["wsproto: close"] += 1
        super()._peer_closed(event, events)

    def _hand_over(self, data: bytes | bytearray, start: int, end: int, head: int, size: int, events: list[WSEvent]) -> int:
        self.counts["wsproto: data"] += 1
        return super()._hand_over(data, start, end, head, size, events)

    def _flow(self, data: bytes | bytearray, start: int, end: int, events: list[WSEvent]) -> int:
        self.counts["flowed: dropped" if self.close_sent else "flowed: to wsproto"] += 1
        return super()._flow(data, start, end, events)

    def _collect(self, event: lib.TextMessage | lib.BytesMessage, events: list[WSEvent]) -> None:
        super()._collect(event, events)
        self.counts["wsproto: told" if event.message_finished else "wsproto: a piece"] += 1


# ---- inputs


def payload(rng: random.Random, opcode: int) -> bytes:
    roll = rng.random()
    size = rng.randrange(126) if roll < 0.7 else rng.randrange(126, 1500) if roll < 0.985 else rng.randrange(60_000, 72_000)
    if opcode != 1:
        return rng.randbytes(size)
    word = rng.choice(("a", "ß", "語", "🙂", "hello, world "))
    text = (word * (size // len(word.encode()) + 1)).encode()
    # One in thirty texts is cut anywhere, so perhaps inside a character.
    return text[:size] if rng.random() < 0.03 else text


def frame(rng: random.Random, first: int, data: bytes) -> bytes:
    """A frame, now and then with one thing wrong."""
    size, masked = len(data), True
    form = 0 if size < 126 else 2 if size < 65536 else 8
    if rng.random() < 0.02:
        match rng.randrange(6):
            case 0:
                first ^= 1 << rng.randrange(8)
            case 1:
                masked = False
            case 2:
                form = rng.choice((2, 8))
            case 3:
                size = rng.choice((0, size + 1, 126, 70_001, 1 << 20))
                form = 0 if size < 126 else 2 if size < 65536 else 8
            case 4:
                form, size = 8, rng.getrandbits(64)
            case _:
                data = rng.randbytes(len(data))
    bit = 0x80 if masked else 0
    length = (
        bytes([bit | size & 0x7F])
        if form == 0
        else bytes([bit | (126 if form == 2 else 127)]) + (size & (1 << 8 * form) - 1).to_bytes(form, "big")
    )
    key = rng.randbytes(4)
    return bytes([first]) + length + (key + portable_mask(data, key) if masked else data)


def control(rng: random.Random) -> bytes:
    return frame(rng, rng.choice((0x89, 0x8A)), rng.randbytes(rng.choice((0, 1, 20, 125))))


def controls(rng: random.Random) -> bytes:
    return b"".join(control(rng) for _ in range(1 if rng.random() < 0.7 else rng.randrange(2, 12)))


def message(rng: random.Random) -> bytes:
    opcode = rng.choice((1, 2))
    data, first = payload(rng, opcode), opcode
    if rng.random() < 0.25:
        data, first = deflate(data, 15), opcode | 0x40
    if rng.random() < 0.7:
        return frame(rng, first | 0x80, data)
    parts: list[bytes] = []
    cuts = sorted(rng.randrange(len(data) + 1) for _ in range(rng.randrange(4)))
    edges = [0, *cuts, len(data)]
    for i, (start, end) in enumerate(pairwise(edges)):
        final = 0x80 if end == len(data) and i == len(edges) - 2 else 0
        parts.append(frame(rng, (first if i == 0 else 0) | final, data[start:end]))
        if rng.random() < 0.2:
            parts.append(controls(rng))
    return b"".join(parts)


def conversation(rng: random.Random) -> bytes:
    parts = [controls(rng) if rng.random() < 0.15 else message(rng) for _ in range(rng.randrange(1, 7))]
    if rng.random() < 0.5:
        code = rng.choice((1000, 1001, 1011, 3000, 4999)) if rng.random() < 0.9 else rng.getrandbits(16)
        reason = rng.choice((b"", b"bye", "tschüß".encode(), b"\xff")) if rng.random() < 0.3 else b""
        parts.append(frame(rng, 0x88, rng.choice((b"", b"\x03")) if rng.random() < 0.1 else code.to_bytes(2, "big") + reason))
        if rng.random() < 0.2:
            parts.append(message(rng))
    data = bytearray(b"".join(parts))
    if rng.random() < 0.08:
        data[rng.randrange(min(len(data), 200))] ^= 1 << rng.randrange(8)
    return bytes(data[: rng.randrange(1, len(data) + 1)] if rng.random() < 0.1 else data)


# ---- both readers


def fact(event: WSEvent) -> Fact:
    match event:
        case TextMessage(data) | BinaryMessage(data):
            return "message", data
        case Ping(data):
            return "ping", data
        case Pong(data):
            return "pong", data
        case Closed(code, reason):
            return "close", (code, reason)
        case WSFault(code, _):
            return "fault", code
        case _:
            raise AssertionError(event)


def ours(engine: WebSocketEngine, data: bytes, rng: random.Random) -> list[Fact]:
    facts: list[Fact] = []
    start, most = 0, rng.choice((len(data), len(data), 2000, 30))
    while start < len(data):
        size = rng.randint(1, most)
        facts += map(fact, engine.receive(data[start : start + size]))
        start += size
        while engine.unread:
            facts += map(fact, engine.receive(b""))
    return facts


def theirs(data: bytes) -> list[Fact]:
    judge = Connection(ConnectionType.SERVER, [BoundedDeflate(1 << 30)])
    judge.receive_data(data)
    facts: list[Fact] = []
    text, binary = "", b""
    for event in judge.events():
        match event:
            case lib.TextMessage():
                text += event.data
                if event.message_finished:
                    facts.append(("message", text))
                    text = ""
            case lib.BytesMessage():
                binary += event.data
                if event.message_finished:
                    facts.append(("message", binary))
                    binary = b""
            case lib.Ping():
                facts.append(("ping", event.payload))
            case lib.Pong():
                facts.append(("pong", event.payload))
            case lib.CloseConnection() if judge.state is ConnectionState.REMOTE_CLOSING:
                facts.append(("close", (int(event.code), event.reason)))
            case lib.CloseConnection():
                facts.append(("fault", int(event.code)))
            case _:
                raise AssertionError(event)
    return facts


def size_of(message: str | bytes) -> int:
    """Bytes of a message as they travel."""
    return len(message.encode()) if isinstance(message, str) else len(message)


def sooner_refused(engine: WebSocketEngine) -> list[Fact]:
    """What wsproto refuses by half a frame, the engine refuses once the frame is whole: here is the rest of it."""
    facts: list[Fact] = []
    for _ in range(20):
        facts += map(fact, engine.receive(bytes(5000)))
        while engine.unread:
            facts += map(fact, engine.receive(b""))
    return facts


@pytest.fixture
def small_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that short inputs reach every branch."""
    monkeypatch.setattr(websocket, "_TURN", 9)
    monkeypatch.setattr(websocket, "_SLICE_BYTES", 300)
    monkeypatch.setattr(websocket, "_COMPRESSED_SLICE_BYTES", 100)
    monkeypatch.setattr(websocket, "_GATHERED_COMPRESSED_BYTES", 400)


BRANCHES = (
    "inline: told",
    "topped up",
    "kept: part of a header",
    "kept: part of a frame",
    "whole: short, in pieces",
    "whole: 16-bit length",
    "whole: 64-bit length",
    "whole: compressed",
    "whole: told",
    "whole: refused",
    "text: UTF-8",
    "text: not UTF-8",
    "control",
    "pings: between messages",
    "pings: inside a message",
    "pings: a run of them",
    "turn: not the last",
    "kept: refused by its start",
    "wsproto: close",
    "wsproto: data",
    "wsproto: a piece",
    "wsproto: told",
    "flowed: to wsproto",
    "inputs: accepted by both",
    "inputs: refused alike",
    "inputs: refused by the limit",
)


@pytest.mark.usefixtures("small_bounds")
def test_the_engine_reads_what_wsproto_reads_or_refuses_by_its_limit() -> None:
    print(f"PAGI_FUZZ_SEED={SEED}, {INPUTS} inputs")
    counts: Counter[str] = Counter()
    for number in range(INPUTS):
        rng = random.Random(SEED + number)
        data = conversation(rng)
        engine = CountingEngine(counts)
        read, expected = ours(engine, data, rng), theirs(data)
        where = f"PAGI_FUZZ_SEED={SEED + number} PAGI_FUZZ_INPUTS=1"
        if expected and read == expected[:-1] and expected[-1][0] == "fault":
            read += sooner_refused(engine)
        if read[-1:] == [("fault", 1002)] and expected == read[:-1]:
            expected = theirs(data + bytes(20))  # what the engine refuses by its first two bytes, wsproto does by its header
        if read[-1:] == [("fault", 1002)] and expected == [*read[:-1], ("fault", 1007)]:
            expected = read  # it was compressed where it may not be: by its start that is 1002, but wsproto inflates it before it looks
        assert all(size_of(value) <= LIMIT for kind, value in read if kind == "message" and isinstance(value, str | bytes)), where
        if read == expected:
            counts["inputs: refused alike" if read and read[-1][0] == "fault" else "inputs: accepted by both"] += 1
        else:
            assert read[-1:] == [("fault", 1009)], where
            assert read[:-1] == expected[: len(read) - 1], where
            counts["inputs: refused by the limit"] += 1
    for name in sorted(counts):
        print(f"{counts[name]:>9,}  {name}")
    if INPUTS >= 2000:
        assert [name for name in BRANCHES if counts[name] == 0] == []
        assert counts["inputs: accepted by both"] > INPUTS / 3


@pytest.mark.usefixtures("small_bounds")
def test_a_close_of_ours_at_any_moment_leaves_the_peers_close_readable() -> None:
    print(f"PAGI_FUZZ_SEED={SEED}, {INPUTS // 4} inputs")
    counts: Counter[str] = Counter()
    for number in range(INPUTS // 4):
        rng = random.Random(SEED + number)
        data = conversation(rng)
        expected = theirs(data)
        engine = CountingEngine(counts)
        cut = rng.randrange(len(data) + 1)
        before = ours(engine, data[:cut], rng) if cut else []
        engine.close(1001)
        after = ours(engine, data[cut:], rng) if cut < len(data) else []
        where = f"PAGI_FUZZ_SEED={SEED + number} PAGI_FUZZ_INPUTS=4"
        assert not [kind for kind, _ in after if kind == "message"], where
        assert sum(part[:1] == b"\x88" for part in engine.take_output()) == 1, where
        if expected and expected[-1][0] == "close" and ("fault", 1009) not in before:
            assert (before + after)[-1] == expected[-1], where
            counts["inputs: the peer's Close was heard"] += 1
    if INPUTS >= 2000:
        assert counts["flowed: dropped"] > 0
        assert counts["pings: after our Close"] > 0
        assert counts["inputs: the peer's Close was heard"] > INPUTS / 40
