"""The design's own tests of the board: in memory, on our server with each loop, on uvicorn and on hypercorn."""

from collections.abc import Iterator
from typing import Any

import pytest

from examples.board.app import Board, Message, User, app, board
from pagi.channels import MemoryChannels
from pagi.testing import TestClient
from tests.examples.served_client import IN_MEMORY, PLACES, Place

pytestmark = pytest.mark.anyio


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    """A board that nobody has written on."""
    with Place(*PLACES[request.param], "board") as place:
        yield place


@pytest.fixture
def anyio_backend(place: Place) -> tuple[str, dict[str, Any]]:
    return place.backend


@pytest.fixture(autouse=True)
def everywhere(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests below say `TestClient(app)`, as anybody would, and ask the board in each place."""
    monkeypatch.setitem(globals(), "TestClient", place.client)


async def test_board() -> None:
    async with TestClient(app) as client:  # runs the lifespan, on whichever loop the test runs on
        reply = await client.post("/api/messages", json={"text": "hi"})
        assert reply.status_code == 201
        async with client.sse("/api/feed", last_event_id="0") as feed:  # "0" is the cursor before the first
            event = await feed.receive()
            assert event.data == {"id": 1, "text": "hi"}
        async with client.websocket("/api/chat/lobby", subprotocols=["v1"]) as ws:
            await ws.send_json({"text": "hi"})
            assert await ws.receive_json() == {"echo": "hi"}


class FakeBoard(Board):
    """One on which something is written already, and nothing is kept."""

    def __init__(self) -> None:
        super().__init__(MemoryChannels())

    async def since(self, after: int) -> list[Message]:
        return [Message(after + 1, "written long ago")]

    async def add(self, text: str, *, by: User) -> Message:
        return Message(0, f"{by.name} said {text}")


@pytest.mark.parametrize("place", IN_MEMORY, indirect=True)  # nothing can be replaced in a process of its own
async def test_with_a_fake() -> None:
    async with TestClient(app, overrides={board: FakeBoard()}) as client:
        assert (await client.get("/api/messages", params={"after": "6"})).json() == [{"id": 7, "text": "written long ago"}]
        assert (await client.post("/api/messages", json={"text": "hi"})).json() == {"id": 0, "text": "guest said hi"}
