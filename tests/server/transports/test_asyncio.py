"""The asyncio line by hand: marks that are borrowed to learn when the last byte left must not hide a client that stops reading."""

import asyncio
from typing import Any

import pytest

from pagi.server.options import server_options
from pagi.server.service import Service
from pagi.server.transports.asyncio import AsyncioRuntime, ProtocolLine

pytestmark = pytest.mark.anyio
HIGH, LOW = 65535, 16384


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class FullSocket(asyncio.Transport):
    """A transport whose peer reads nothing: what is written stays. It pauses its protocol once, as asyncio's do."""

    def __init__(self, protocol: ProtocolLine) -> None:
        super().__init__()
        self._protocol = protocol
        self._size = 0
        self._high = HIGH
        self._paused = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._size += len(data)
        self._pause_if_high()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high = HIGH if high is None else high
        self._pause_if_high()

    def get_write_buffer_size(self) -> int:
        return self._size

    def is_closing(self) -> bool:
        return False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1)

    def _pause_if_high(self) -> None:
        if self._size > self._high and not self._paused:
            self._paused = True
            self._protocol.pause_writing()


async def nobody(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("nothing is asked here")


async def test_the_high_mark_is_seen_while_somebody_waits_for_the_last_byte() -> None:
    loop = asyncio.get_running_loop()
    runtime = AsyncioRuntime(loop)
    service = Service(nobody, server_options(), runtime)
    line = ProtocolLine(service, loop, (HIGH, LOW), runtime)
    line.connection_made(FullSocket(line))
    (connection,) = service.connections
    line.write([b"x" * 20_000])
    line.when_sent(lambda: None)
    assert not knows_of_it(connection)
    line.write([b"x" * 60_000])
    assert knows_of_it(connection)
    runtime.close()


def knows_of_it(connection: Any) -> bool:
    """Whether the connection knows that its client is slow."""
    congested: bool = connection.is_congested
    return congested


class ReadSocket(FullSocket):
    """A transport that counts how often its reading was paused."""

    pauses = 0

    def pause_reading(self) -> None:
        self.pauses += 1

    def resume_reading(self) -> None:
        pass

    def is_closing(self) -> bool:
        return False


async def test_reading_pauses_for_a_body_that_waits_and_not_for_one_that_is_waited_for() -> None:
    taken: list[int] = []
    busy = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while len(taken) < 3:
            taken.append(len((await receive())["body"]))
        await busy.wait()

    loop = asyncio.get_running_loop()
    runtime = AsyncioRuntime(loop)
    line = ProtocolLine(Service(app, server_options(), runtime), loop, (HIGH, LOW), runtime)
    transport = ReadSocket(line)
    line.connection_made(transport)
    line.data_received(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900000\r\n\r\n" + b"x" * 10)
    for _ in range(2):
        await asyncio.sleep(0.01)
        line.data_received(b"x" * 100_000)
    await asyncio.sleep(0.01)
    assert (taken, transport.pauses) == ([10, 100_000, 100_000], 0)
    line.data_received(b"x" * 100_000)
    assert transport.pauses == 1
    line.connection_lost(None)
    busy.set()
    await asyncio.sleep(0.01)
    runtime.close()
