"""HTTP/2 in full use: connections with a hundred streams at once, again and again, and no request that fails."""

import time
from pathlib import Path

import anyio
import pytest

from tests.server.child import Child, running
from tests.server.many_streams import Client

pytestmark = pytest.mark.drill

APP = Path(__file__).with_name("app.py")
CONNECTIONS = 10
STREAMS = 100
ROUNDS = 20
"""Of so many streams on so many connections at once: 20,000 requests."""
SECONDS = 120.0


async def ask(port: int, rounds: int, statuses: list[int]) -> None:
    """One connection: as many streams as there may be, and the next once all of them are answered."""
    async with await anyio.connect_tcp("127.0.0.1", port) as wire, anyio.create_task_group() as group:
        client = Client(wire)
        group.start_soon(client.run)
        for _ in range(rounds):
            stream_ids = [await client.ask() for _ in range(STREAMS)]
            statuses += [(await client.reply(stream_id)).status for stream_id in stream_ids]
        group.cancel_scope.cancel()


async def ask_all(child: Child, rounds: int) -> list[int]:
    """All connections at once. Returns the status of every answer."""
    statuses: list[int] = []
    with anyio.fail_after(SECONDS):
        async with anyio.create_task_group() as group:
            for _ in range(CONNECTIONS):
                group.start_soon(ask, child.port, rounds, statuses)
    return statuses


@pytest.mark.parametrize("loop", ["uvloop", "asyncio", "trio"])
def test_every_stream_of_many_connections_is_answered(loop: str, scale: float, tmp_path: Path) -> None:
    rounds = int(ROUNDS * scale)
    with running(tmp_path, APP, "--loop", loop, "--no-access-log") as child:
        before, began = child.rss(), time.monotonic()
        statuses = anyio.run(ask_all, child, rounds)
        took, grown = time.monotonic() - began, (child.rss() - before) / 2**20
        assert statuses == [200] * (CONNECTIONS * STREAMS * rounds)
    print(f"\n{loop}: {len(statuses):,} requests over {CONNECTIONS} connections in {took:.1f} s, {grown:+.1f} MiB")
    assert "Traceback" not in child.stderr
