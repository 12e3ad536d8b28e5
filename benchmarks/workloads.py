"""What is asked of every contestant, how hard, and the target that performance of ours is held to."""

from collections.abc import Callable, Mapping
from functools import partial

import msgspec
import uvloop

from benchmarks import answers
from benchmarks.answers import BINARY_MESSAGE, TEXT_MESSAGE, Answer, check_http
from benchmarks.apps.orders import ORDER_BYTES
from benchmarks.apps.payloads import EVENT_BYTES, HELLO_EVENT, LARGE_FILE_MIB, MIB, PLAINTEXT
from benchmarks.clients.downloads import CONNECTIONS, run_downloads
from benchmarks.clients.echo import run_echo
from benchmarks.clients.frames import BINARY, TEXT, client_frame, deflated_frame, handshake, server_frame
from benchmarks.clients.h2load import CLIENTS, STREAMS, WARM_REQUESTS, requests_within, run_h2load
from benchmarks.clients.idlers import Step
from benchmarks.clients.subscribers import run_bursts, subscription
from benchmarks.clients.wrk import run_wrk
from benchmarks.contestants import CROWD_WORK, FRAMEWORK_WORK, HTTP2_WORK, HYPERCORN, LARGE_FILE_WORK, OURS, REFERENCE, WORKERS_WORK
from benchmarks.measure import Sample
from benchmarks.server_process import ServerProcess
from benchmarks.service import Service

SUBSCRIBERS = 500

BESIDE_FACTOR = 1.15
"""How much dearer than `Load.beside` a workload may be."""

BASELINE_FACTOR = 1.05
"""How much dearer than another checkout ours may have become, on any workload."""

WORKERS_FACTOR = 1.10
"""How much dearer a request may be with several workers on one core than with one."""

CROWD = 10_000

COOKIE = {"Cookie": "theme=dark; locale=en; session=eyJ1c2VyIjo0MiwiY3NyZiI6ImZhNWM5ZTEyIn0.aHR0cDov.Qm9hcmQ"}
BROWSER = {  # with Host, which the client adds, and Cookie: twelve
    "Connection": "keep-alive",
    "sec-ch-ua": '"Chromium";v="142", "Not_A Brand";v="99"',
    "sec-ch-ua-mobile": "?0",
    "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Accept": "application/json, text/plain, */*",
    "Sec-Fetch-Site": "same-origin",
    "Sec-Fetch-Mode": "cors",
    "Referer": "http://127.0.0.1:8000/boards/42?sort=newest",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Accept-Language": "en-GB,en;q=0.9,de;q=0.8",
}


class Load(msgspec.Struct, frozen=True):
    """A workload measured by CPU time. `targets` are ratios to the reference, by contestant."""

    name: str
    title: str
    unit: str
    app: str
    check: Callable[[Service], None]
    run: Callable[[ServerProcess, int], Sample]
    targets: Mapping[str, float]
    beside: "Load | None" = None
    """A workload that ours is asked for too, of the same process, and than which this one may be dearer by `BESIDE_FACTOR`."""
    reference: str = REFERENCE
    """The contestant whose cost is divided by that of each other."""
    is_race: bool = True
    """Whether ours has to be ahead of every peer."""
    http2: bool = False
    tls: bool = False


class Idle(msgspec.Struct, frozen=True):
    """A workload measured by memory. `ceilings` are KiB for each connection, by contestant."""

    name: str
    title: str
    app: str
    steps: Callable[[int], tuple[Step, ...]]
    ceilings: Mapping[str, float]
    connections: int | None = None
    """How many; None: as many as the run was told."""


def by_wrk(
    server: ServerProcess,
    seconds: int,
    *,
    path: str,
    connections: int,
    headers: Mapping[str, str] | None = None,
    script: tuple[str, ...] = ("plain",),
) -> Sample:
    """One round of wrk."""
    meter = server.meter()
    meter.start()
    url = f"http://127.0.0.1:{server.port}{path}"
    result = run_wrk(url, seconds=seconds, connections=connections, headers=headers or {}, script=script)
    meter.stop()
    # wrk's own clock for the rate: ours includes its start.
    return meter.sample(result.requests, result.p99_microseconds / 1e6, wall_seconds=result.microseconds / 1e6)


def by_h2load(server: ServerProcess, seconds: int, *, path: str) -> Sample:
    """One round of h2load: a few requests to warm up, which tell how many fill the time, then those, each of them counted."""
    url = server.service.url(path)
    warm = run_h2load(url, requests=WARM_REQUESTS, seconds=seconds)
    meter = server.meter()
    meter.start()
    result = run_h2load(url, requests=requests_within(seconds, warm.rate), seconds=seconds)
    meter.stop()
    return meter.sample(result.requests, result.p99_seconds, wall_seconds=result.requests / result.rate)


def by_downloads(server: ServerProcess, seconds: int, *, path: str, size: int) -> Sample:
    """One round of whole downloads."""
    return run_downloads(server.port, path, size=size, seconds=seconds, meter=server.meter())


def by_echo(server: ServerProcess, seconds: int, *, path: str, payload: bytes, opcode: int, connections: int) -> Sample:
    """One round of WebSocket echoes."""
    frame, reply = client_frame(payload, opcode), server_frame(payload, opcode)
    meter = server.meter()
    return uvloop.run(
        run_echo(server.port, path, frame=frame, reply_bytes=len(reply), connections=connections, seconds=seconds, meter=meter)
    )


def by_bursts(server: ServerProcess, seconds: int) -> Sample:
    """One round of event-stream bursts."""
    meter = server.meter()
    return uvloop.run(run_bursts(server.port, "/events", subscribers=SUBSCRIBERS, burst=len(EVENT_BYTES), seconds=seconds, meter=meter))


def http_load(
    name: str,
    title: str,
    answer: Answer,
    targets: Mapping[str, float],
    *,
    connections: int,
    headers: Mapping[str, str] | None = None,
    script: tuple[str, ...] = ("plain",),
    app: str | None = None,
    beside: Load | None = None,
) -> Load:
    """A workload of wrk's."""
    run = partial(by_wrk, path=answer.path, connections=connections, headers=headers, script=script)
    checked = partial(check_http, answer=answer, headers=dict(headers or {}))
    app = answer.path.removeprefix("/") if app is None else app
    return Load(name, f"{title}, {connections} connections", "request", app, checked, run, targets, beside)


def h2_load(name: str, title: str, answer: Answer, target: float, *, tls: bool) -> Load:
    """A workload of h2load's."""
    return Load(
        name,
        f"{title}, {CLIENTS} connections of {STREAMS} streams",
        "request",
        answer.path.removeprefix("/"),
        partial(answers.check_http2, answer=answer),
        partial(by_h2load, path=answer.path),
        {"pagi": target, "pagi-bare": target},
        reference=HYPERCORN,
        is_race=False,
        http2=True,
        tls=tls,
    )


SMALL = {"pagi": 1.9, "pagi-asyncio": 1.7, "pagi-trio": 1.0}

PLAIN_JSON = http_load("json", "27 bytes of JSON", answers.JSON_ANSWER, SMALL, connections=64)

LOADS: Mapping[str, Load] = {
    load.name: load
    for load in (
        http_load("plaintext", "13 bytes of text", answers.PLAINTEXT_ANSWER, SMALL, connections=64),
        PLAIN_JSON,
        http_load(
            "json-browser", "JSON, a browser's twelve headers", answers.JSON_ANSWER, {"pagi": 1.5}, connections=64, headers=BROWSER | COOKIE
        ),
        http_load(
            "json-cookies",
            "JSON, a browser's twelve headers, another cookie each time",
            answers.JSON_ANSWER,
            {"pagi": 1.5},
            connections=64,
            headers=BROWSER,
            script=("cookie", COOKIE["Cookie"]),
        ),
        http_load("stream", "100 chunks of 64 bytes", answers.STREAM_ANSWER, {"pagi": 8.0}, connections=32),
        http_load(
            "upload",
            "1 MiB uploaded",
            answers.UPLOAD_ANSWER,
            {"pagi": 1.4, "pagi-asyncio": 1.7},
            connections=8,
            script=("upload", str(MIB)),
        ),
        http_load("file", "1 MiB from a file", answers.FILE_ANSWER, {"pagi": 1.4, "pagi-asyncio": 1.7}, connections=8),
        Load(
            LARGE_FILE_WORK,
            f"{LARGE_FILE_MIB} MiB from a file, {CONNECTIONS} connections",
            "request",
            "file_large",
            partial(answers.check_large_file, path="/file_large"),
            partial(by_downloads, path="/file_large", size=LARGE_FILE_MIB * MIB),
            {"pagi": 2.0, "pagi-asyncio": 2.0},
            is_race=False,
        ),
        h2_load("h2-json", "27 bytes of JSON over HTTP/2 (h2c)", answers.JSON_ANSWER, 4.5, tls=False),
        h2_load("h2-json-tls", "27 bytes of JSON over HTTP/2 under TLS", answers.JSON_ANSWER, 4.0, tls=True),
        msgspec.structs.replace(
            PLAIN_JSON,
            name=WORKERS_WORK,
            title=f"{PLAIN_JSON.title}, by several workers on the one core",
            targets={"pagi-2-workers": 1 / WORKERS_FACTOR, "pagi-4-workers": 1 / WORKERS_FACTOR},
            reference=OURS,
            is_race=False,
        ),
        Load(
            "echo-100",
            "WebSocket echo of 100 B, 64 connections",
            "message",
            "echo_text",
            answers.check_text_echo,
            partial(by_echo, path="/echo_text", payload=TEXT_MESSAGE, opcode=TEXT, connections=64),
            {"pagi": 2.5},
        ),
        Load(
            "echo-64k",
            "WebSocket echo of 64 KiB, 16 connections",
            "message",
            "echo_bytes",
            answers.check_binary_echo,
            partial(by_echo, path="/echo_bytes", payload=BINARY_MESSAGE, opcode=BINARY, connections=16),
            {"pagi": 1.5},
        ),
        Load(
            "sse-burst",
            f"bursts of {len(EVENT_BYTES)} events to each of {SUBSCRIBERS} subscribers",
            "event",
            "events",
            partial(answers.check_burst, path="/events"),
            by_bursts,
            {"pagi": 8.0},
        ),
        http_load("params", "two parameters of the path, one of the query", answers.PARAMS_ANSWER, SMALL, connections=64, app="params"),
        http_load(
            "validate",
            "1 KB of JSON into a struct and back",
            answers.VALIDATE_ANSWER,
            {"pagi": 1.9},
            connections=64,
            headers={"Content-Type": "application/json"},
            script=("post", ORDER_BYTES.decode()),
        ),
        http_load("dependencies", "three nested dependencies", answers.DEPENDENCIES_ANSWER, {}, connections=64, beside=PLAIN_JSON),
        http_load("middleware", "five middleware", answers.MIDDLEWARE_ANSWER, {}, connections=64, beside=PLAIN_JSON),
        http_load("routes", "route 150 of 200", answers.ROUTES_ANSWER, {}, connections=64, app="routes", beside=PLAIN_JSON),
    )
}


def keep_alive_steps(port: int) -> tuple[Step, ...]:
    """One request, answered."""
    return (Step(f"GET /plaintext HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode(), PLAINTEXT.encode()),)


def stream_steps(port: int) -> tuple[Step, ...]:
    """A subscription, greeted."""
    return (Step(subscription(port, "/events"), b"\n\n", agreed=b"data: %s\n" % HELLO_EVENT.encode()),)


def websocket_steps(port: int) -> tuple[Step, ...]:
    """A handshake without offers, and one echo."""
    return (Step(handshake(port, "/echo_text"), b"\r\n\r\n"), Step(client_frame(TEXT_MESSAGE, TEXT), TEXT_MESSAGE))


def deflate_steps(port: int) -> tuple[Step, ...]:
    """A handshake that agrees on compression, and one compressed message echoed in whatever form."""
    opening = Step(handshake(port, "/echo_text", deflate=True), b"\r\n\r\n", agreed=b"permessage-deflate")
    return (opening, Step(deflated_frame(TEXT_MESSAGE), None))


IDLES: Mapping[str, Idle] = {
    idle.name: idle
    for idle in (
        Idle("idle-keep-alive", "an idle keep-alive connection", "plaintext", keep_alive_steps, {"pagi": 5.0}),
        Idle("idle-sse", "an idle event stream", "events", stream_steps, {"pagi": 10.0}),
        Idle(
            CROWD_WORK,
            f"an idle event stream among {CROWD}",
            "events",
            stream_steps,
            {"pagi": 10.0, "pagi-asyncio": 10.0, "pagi-bare": 10.0},
            connections=CROWD,
        ),
        Idle("idle-websocket", "an idle WebSocket", "echo_text", websocket_steps, {"pagi": 10.0}),
        Idle("idle-deflate", "an idle WebSocket with deflate", "echo_text", deflate_steps, {"pagi": 12.0}),
    )
}

GROUPS: Mapping[str, tuple[str, ...]] = {
    "servers": tuple(name for name in LOADS if name not in FRAMEWORK_WORK),
    "frameworks": ("json", *FRAMEWORK_WORK),
    "memory": tuple(IDLES),
    "http2": HTTP2_WORK,
    "files": ("file", LARGE_FILE_WORK),
}
"""Names that stand for several workloads."""

PROCESS_CEILING_MIB = 35.0
"""A whole process of ours with nothing open."""
