"""How the application is run, and when it is ended."""

from typing import Annotated, Literal

import msgspec

from pagi.server.options.flag import Count, Flag, Seconds


class TimeoutOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Deadlines of a connection."""

    head_seconds: Annotated[
        Seconds, Flag("--timeout-head", help="From the first byte of a request, or the connection's opening, to the end of its head.")
    ] = 10.0
    keep_alive_seconds: Annotated[
        Seconds, Flag("--timeout-keep-alive", help="How long an idle connection may wait for its next request.")
    ] = 5.0
    disconnect_grace_seconds: Annotated[
        Seconds, Flag("--timeout-disconnect-grace", help="After the client left, before streams and WebSockets are cancelled.")
    ] = 5.0
    graceful_seconds: Annotated[Seconds, Flag("--timeout-graceful-shutdown", help="From the closing signal until what is left is cut.")] = (
        30.0
    )
    shutdown_delay_seconds: Annotated[
        Seconds,
        Flag(
            "--shutdown-delay",
            help="From the signal to stop until the closing signal: still accepting, but not ready, and answers close their connection.",
        ),
    ] = 0.0
    startup_seconds: Annotated[Seconds, Flag("--timeout-startup", help="How long the lifespan may take to start. 0: no limit.")] = 60.0


class ServeOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the application is run."""

    interface: Annotated[
        Literal["auto", "pagi", "asgi", "wsgi"],
        Flag("--interface", help="What APP is. auto: pagi where it carries the marker, else asgi; wsgi is never guessed."),
    ] = "auto"
    wsgi_threads: Annotated[
        Annotated[int, msgspec.Meta(ge=1)], Flag("--wsgi-threads", help="Requests that a WSGI application answers at once; more wait.")
    ] = 40
    max_exchanges: Annotated[
        Count, Flag("--limit-concurrency", help="Requests, streams and WebSockets at once; past it 503. 0: no limit.")
    ] = 0
    lifespan: Annotated[
        Literal["auto", "on", "off"],
        Flag("--lifespan", help="auto: an app that declines is served without; on: declining is fatal; off: never asked."),
    ] = "auto"
    lint: Annotated[
        bool | None,
        Flag("--lint", help="Hold application and server to the agreement: each scope and event. auto: under `pagi dev` alone."),
    ] = None
    root_path: Annotated[str, Flag("--root-path", help="Prefix under which a proxy shows the application.")] = ""
    readiness_path: Annotated[
        str,
        Flag(
            "--readiness-path",
            help="Path that the server itself answers: 200 while it serves, 503 from the signal to stop on. Empty: none.",
        ),
    ] = ""
    loop: Annotated[Literal["auto", "uvloop", "asyncio", "trio"], Flag("--loop", help="auto: uvloop when installed, else asyncio.")] = (
        "auto"
    )
