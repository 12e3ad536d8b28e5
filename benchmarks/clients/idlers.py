"""Connections that say their word and then stay silent, to see what each weighs in the server."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec

from benchmarks.failure import NotServed, RoundFailed
from benchmarks.measure import Footprint

STEP_SECONDS = 10.0
SETTLE_SECONDS = 0.3
WARM_CONNECTIONS = 50
AT_ONCE = 50


class Step(msgspec.Struct, frozen=True):
    """Bytes to send, and what the answer must hold before the connection goes on; `None`: anything at all."""

    sent: bytes
    awaited: bytes | None
    agreed: bytes = b""
    """What the answer must hold too for the server to compete at all: an extension that was offered."""


async def open_idler(port: int, steps: tuple[Step, ...]) -> asyncio.StreamWriter:
    """One connection that has taken all its steps.

    Raises:
        RoundFailed: the server closed, or an answer was missing after `STEP_SECONDS`.
        NotServed: the answer came without what was to be agreed on.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for step in steps:
        writer.write(step.sent)
        seen = b""
        try:
            async with asyncio.timeout(STEP_SECONDS):
                while not seen or (step.awaited is not None and step.awaited not in seen):
                    data = await reader.read(1 << 16)
                    if not data:
                        raise RoundFailed(f"the server closed an idle connection, having said {seen[-200:]!r}")
                    seen += data
        except TimeoutError:
            raise RoundFailed(f"the server said {seen[-200:]!r}, which lacks {step.awaited!r}")
        if step.agreed not in seen:
            raise NotServed(f"{step.agreed.decode()} is not agreed to")
    return writer


@asynccontextmanager
async def idlers(port: int, steps: tuple[Step, ...], number: int) -> AsyncGenerator[None]:
    """Holds `number` connections open."""
    writers: list[asyncio.StreamWriter] = []
    try:
        while len(writers) < number:
            wave = min(AT_ONCE, number - len(writers))
            writers += await asyncio.gather(*(open_idler(port, steps) for _ in range(wave)))
        yield
    finally:
        for writer in writers:
            writer.transport.abort()


async def weigh_idlers(port: int, steps: tuple[Step, ...], number: int, resident_bytes: Callable[[], int]) -> Footprint:
    """What `number` further connections add to the server, after the first few have made it load what it loads late."""
    process = resident_bytes()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(idlers(port, steps, WARM_CONNECTIONS))
        await asyncio.sleep(SETTLE_SECONDS)
        before = resident_bytes()
        await stack.enter_async_context(idlers(port, steps, number))
        await asyncio.sleep(SETTLE_SECONDS)
        after = resident_bytes()
    return Footprint(connections=number, process_bytes=process, connection_bytes=(after - before) / number)
