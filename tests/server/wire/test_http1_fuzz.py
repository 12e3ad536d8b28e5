"""Mutated heads: the short cut takes nothing that the gate and h11 refuse, and both read alike; nothing escapes the engine.

`PAGI_FUZZ_INPUTS` sets how many (20,000), `PAGI_FUZZ_SEED` repeats a run.
"""

import dis
import os
import random
import sys
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from types import FrameType
from typing import Any

from pagi.server.options import HTTP1Options
from pagi.server.wire.events import Answer, RequestHead
from pagi.server.wire.head_gate import Fields, RequestRefused
from pagi.server.wire.head_reader import AllButOne, HeadReader, changed_fields, ordinary_fields, ordinary_line, short_cut, through_gate
from pagi.server.wire.head_writer import StaticLines
from pagi.server.wire.http1 import HTTP1Engine

INPUTS = int(os.environ.get("PAGI_FUZZ_INPUTS", "20000"))
SEED = int(os.environ.get("PAGI_FUZZ_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
MAX_FIELDS = 12

METHODS = [b"GET"] * 40 + [b"POST", b"PUT", b"HEAD", b"OPTIONS", b"DELETE", b"BREW", b"get", b"CONNECT", b"G(T", b""]
GOOD_TARGETS = [b"/", b"/a/b?c=d&e", b"/%41%zz", b"/~x;y=1,2", b"//x", b'/[]{}|^`"<>\\']
ODD_TARGETS = [b"*", b"http://h/p?q", b"HTTP://h:8", b"http://u@h/", b"a:80", b"/#f", b"/\xc3\xa9", b"", b"/a b"]
TARGETS = GOOD_TARGETS * 20 + ODD_TARGETS
VERSIONS = [b"HTTP/1.1"] * 80 + [b"HTTP/1.0", b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"http/1.1", b"HTTP/1.1 ", b"HTTP/1.10", b"HTTP/11"]
GOOD_HOSTS = [b"example.org", b"localhost:8000", b"[::1]:80", b"a", b"A_b", b"127.0.0.1"]
ODD_HOSTS = [b"", b"a b", b"u@a", b"a/b", b"a:99999", b"[::1", b"a,b", b"\xe9"]
HOSTS = GOOD_HOSTS * 20 + ODD_HOSTS
COMMON: list[tuple[bytes, list[bytes]]] = [
    (b"User-Agent", [b"Mozilla/5.0 (X11; Linux x86_64)", b"wrk"]),
    (
        b"Accept",
        [
            b"*/*",
            b"text/html,application/xml;q=0.9",
            b"text/event-stream",
            b"application/json, TEXT/EVENT-STREAM;q=0.5",
            b"text/event-stream;q=0",
        ],
    ),
    (b"Accept-Encoding", [b"gzip, deflate, br"]),
    (b"Cookie", [b"a=1; b=2", b"c=3"]),
    (b"TE", [b"trailers", b"gzip"]),
    (b"Connection", [b"keep-alive", b"Keep-Alive", b"close", b"CLOSE"]),
    (b"Content-Length", [b"0", b"5", b"007", b"123456789012345678"]),
    (b"X-Empty", [b""]),
    (b"X-High", [b"\xc3\xa9\xff", b"a\tb"]),
]
RARE: list[tuple[bytes, list[bytes]]] = [
    (b"Connection", [b"upgrade", b"keep-alive, close", b"", b"Upgrade, TE"]),
    (b"Upgrade", [b"websocket", b"h2c"]),
    (b"Content-Length", [b"", b"+5", b"-5", b"5, 5", b"0x5", b"1" * 19, b"5 5", b"\xb2", b"1_0"]),
    (b"Transfer-Encoding", [b"chunked", b"Chunked", b"gzip, chunked", b"identity", b"", b"chunked\x0b", b"\tchunked"]),
    (b"Transfer_Encoding", [b"chunked"]),
    (b"Expect", [b"100-continue", b"100-Continue", b"gold", b""]),
    (b"Host", [b"second.example"]),
    (b"Bad Name", [b"x"]),
    (b"", [b"x"]),
]
BREAKS = [b"\r\n"] * 1000 + [b"\n", b"\r", b"\r\r\n", b"\r\n ", b"\r\n\t"]
SPOILERS = [
    *(bytes([code]) for code in (0, 1, 8, 9, 10, 11, 12, 13, 27, 32, 35, 44, 58, 127, 128, 133, 160, 255)),
    b"\r\n",
    b" :",
    b"\r\n\r\n",
    b"%s",
]


BODIES = [b"", b"hello", b"5\r\nhello\r\n0\r\n\r\n", b"5\nhello", b"fffffffffffffffff\r\n"]
POSTS = [
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30\r\n\r\n" + b"x" * 30,
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n" + b"x" * 32 + b"\r\n0;y\r\nX: z\r\n\r\n",
]


def random_message(chance: random.Random) -> bytes:
    """A request with a body that may or may not be its own; one in three is good."""
    if chance.random() < 0.33:
        return chance.choice(POSTS)
    return random_head(chance) + b"\r\n\r\n" + chance.choice((*BODIES, chance.randbytes(8)))


def random_case(chance: random.Random, name: bytes) -> bytes:
    return chance.choice((name, name, name.lower(), name.upper()))


def random_head(chance: random.Random) -> bytes:
    """A head without its closing empty line: mostly good, often odd, sometimes spoiled."""
    lines = [chance.choice(METHODS) + b" " + chance.choice(TARGETS) + b" " + chance.choice(VERSIONS)]
    fields = chance.sample(COMMON, chance.randint(0, 7))
    if chance.random() < 0.15:
        fields += chance.sample(RARE, chance.randint(1, 2))
    if chance.random() < 0.03:
        fields += [chance.choice(COMMON) for _ in range(chance.randint(1, 8))]
    if chance.random() < 0.97:
        fields.insert(chance.randint(0, len(fields)), (b"Host", HOSTS))
    for name, values in fields:
        blank = chance.choice((b" ", b" ", b" ", b" ", b"", b"\t", b"  "))
        end = chance.choice((b" ", b"\t")) if chance.random() < 0.02 else b""
        lines.append(random_case(chance, name) + b":" + blank + chance.choice(values) + end)
    head = lines[0] + b"".join(chance.choice(BREAKS) + line for line in lines[1:])
    if chance.random() < 0.15:
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(head) + 1)
            what = chance.random()
            if what < 0.4:
                head = head[:at] + chance.choice(SPOILERS) + head[at:]
            elif what < 0.7:
                head = head[:at] + head[at + chance.randint(1, 3) :]
            else:
                head = head[:at] + chance.randbytes(1) + head[at + 1 :]
    return head


def reading(result: tuple[RequestHead, Fields]) -> dict[str, Any]:
    head, fields = result
    return {name: getattr(head, name) for name in RequestHead.__struct_fields__} | {
        "fields." + name: getattr(fields, name) for name in Fields.__slots__
    }


def read_by(reader: Callable[[], tuple[RequestHead, Fields]]) -> dict[str, Any] | int:
    """What was read, or the status of the refusal."""
    try:
        return reading(reader())
    except RequestRefused as refused:
        return refused.status


def with_one_field_changed(chance: random.Random, before: bytes, at: int | None = None) -> bytes:
    """A head with another value, or another name, in one of its lines, the `at`th or any: some of them spoiled."""
    lines = before.split(b"\r\n")
    if at is None:
        at = chance.randrange(len(lines))
    name, colon, value = lines[at].partition(b":")
    value = chance.choice((value + b"x", value[:-1], b" other", b"", value + b" ", b"\tx\x00", b" caf\xe9", b"a: b", value + b"\n"))
    lines[at] = chance.choice((name, name, name, name, name.swapcase(), name + b"-x", b" " + name)) + colon + value
    return b"\r\n".join(lines)


def repetitions(chance: random.Random, before: bytes, now: bytes) -> list[bytes]:
    """What a client that repeats itself could send: all of the head before, most of it, its fields, or its request line."""
    line, _, fields = before.partition(b"\r\n")
    _, _, others = now.partition(b"\r\n")
    return [before, with_one_field_changed(chance, before), b"GET /again HTTP/1.1\r\n" + fields, line + b"\r\n" + others]


@contextmanager
def counted_lines(*functions: Callable[..., Any]) -> Generator[dict[str, Counter[int]]]:
    """Counts how often each line of these functions runs."""
    counts = {function.__name__: Counter[int]() for function in functions}
    codes = {function.__code__: counts[function.__name__] for function in functions}

    def local(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            codes[frame.f_code][frame.f_lineno] += 1
        return local

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        return local if event == "call" and frame.f_code in codes else None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield counts
    finally:
        sys.settrace(before)


def test_the_short_cut_takes_a_part_of_what_the_gate_takes_and_reads_it_alike() -> None:
    print(f"\nPAGI_FUZZ_SEED={SEED} PAGI_FUZZ_INPUTS={INPUTS}")
    chance = random.Random(SEED)
    reader = HeadReader(MAX_FIELDS)
    outcomes: Counter[str] = Counter()
    remembered: bytes = b""
    short_cuts = (ordinary_line, ordinary_fields, changed_fields)
    with counted_lines(*short_cuts) as lines:
        for _ in range(INPUTS):
            head: bytes = random_head(chance)
            if chance.random() < 0.2 and remembered:
                # A client that repeats itself, in part or whole: the memory must not show.
                head = chance.choice(repetitions(chance, remembered, head))
            head = head.lstrip(b"\r\n").partition(b"\r\n\r\n")[0]
            cut = short_cut(head, MAX_FIELDS)
            full = read_by(partial(through_gate, head, MAX_FIELDS))
            if cut is not None:
                assert reading(cut) == full, head
                outcomes["again" if head == remembered else "both"] += 1
                remembered = head
            else:
                outcomes[f"refused {full}" if isinstance(full, int) else "gate alone"] += 1
            data = b"#" + head + b"\r\n\r\n"
            assert read_by(partial(reader.read, data, 1, len(data) - 4)) == full, head
    print(dict(outcomes))
    for function in short_cuts:
        hit = lines[function.__name__]
        expected = {number for _, number in dis.findlinestarts(function.__code__) if number and number > function.__code__.co_firstlineno}
        print(function.__name__, dict(sorted(hit.items())))
        assert expected <= set(hit), f"lines never reached: {sorted(expected - set(hit))}"
    for outcome in ("both", "again", "gate alone", *(f"refused {status}" for status in (400, 417, 431, 501, 505))):
        assert outcomes[outcome] > 0, outcome
    assert outcomes["both"] + outcomes["again"] >= INPUTS / 3


def test_a_field_that_changes_each_time_is_read_as_the_gate_reads_it() -> None:
    chance = random.Random(SEED)
    reader = HeadReader(MAX_FIELDS)
    with counted_lines(AllButOne.read) as lines:
        for _ in range(INPUTS // 5):
            head = random_head(chance).partition(b"\r\n\r\n")[0]
            if short_cut(head, MAX_FIELDS) is None:
                continue
            at = chance.randrange(1, head.count(b"\r\n") + 1)
            for _ in range(6):
                now = with_one_field_changed(chance, head, at)
                if chance.random() < 0.2:
                    now = with_one_field_changed(chance, now)
                data = b"#" + now + b"\r\n\r\n"
                full = read_by(partial(through_gate, now, MAX_FIELDS))
                assert read_by(partial(reader.read, data, 1, len(data) - 4)) == full, now
    hit = lines["read"]
    print(dict(sorted(hit.items())))
    assert {number for _, number in dis.findlinestarts(AllButOne.read.__code__)} - {AllButOne.read.__code__.co_firstlineno} <= set(hit)


def test_no_input_escapes_the_engine() -> None:
    print(f"\nPAGI_FUZZ_SEED={SEED}")
    chance = random.Random(SEED + 1)
    faults: Counter[str] = Counter()
    for _ in range(INPUTS // 5):
        wire = HTTP1Engine(HTTP1Options(max_head_bytes=512, max_fields=MAX_FIELDS), StaticLines(), 64)
        raw = b"".join(random_message(chance) for _ in range(4))
        at = 0
        while at < len(raw) and not wire.closing:
            step = chance.randint(1, 60)
            events = wire.receive(raw[at : at + step])
            at += step
            while events:
                faults[type(events[-1]).__name__] += 1
                if chance.random() < 0.6 and not wire.closing:
                    wire.send(Answer(events[-1].stream_id, 200, [], b"x"))
                    wire.take_output()
                    events = wire.advance()
                else:
                    events = []
        wire.receive(b"")
    print(dict(faults))
    assert min(faults[name] for name in ("Request", "Fault", "BodyData", "BodyEnd")) > 0
