"""A FastAPI application, its native server-sent events included, answers on our server as under uvicorn."""

import time
from collections.abc import AsyncIterable, Generator
from typing import Annotated

import anyio
import pytest
from fastapi import Depends, FastAPI, Header, HTTPException
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import BaseModel

from tests.interop.contest import Both, both

ENDED: list[str] = []


class Item(BaseModel):
    """What is posted."""

    name: str
    price: float


def make() -> FastAPI:
    """The application."""
    app = FastAPI()

    async def token(x_token: Annotated[str | None, Header()] = None) -> str:
        if x_token is None:
            raise HTTPException(401, "no token", headers={"www-authenticate": "Token"})
        return x_token

    @app.get("/items/{number}")
    async def show(number: int, q: str | None = None) -> dict[str, object]:
        return {"number": number, "q": q}

    @app.post("/items", status_code=201)
    async def add(item: Item) -> Item:
        return item

    @app.get("/secret")
    async def secret(token: Annotated[str, Depends(token)]) -> str:
        return token

    @app.get("/sync")
    def sync() -> str:
        return "from a thread"

    @app.get("/feed", response_class=EventSourceResponse)
    async def feed() -> AsyncIterable[ServerSentEvent]:
        for number in range(5):
            yield ServerSentEvent(data={"n": number}, event="tick", id=str(number))

    @app.get("/endless", response_class=EventSourceResponse)
    async def endless() -> AsyncIterable[ServerSentEvent]:
        try:
            number = 0
            while True:
                yield ServerSentEvent(data=number)
                number += 1
                await anyio.sleep(0.01)
        finally:
            ENDED.append("endless")

    return app


@pytest.fixture(scope="module")
def servers() -> Generator[Both]:
    """The application on both servers."""
    with both(make) as clients:
        yield clients


@pytest.mark.parametrize(
    ("method", "path", "request_"),
    [
        ("GET", "/items/1?q=x", {}),
        ("GET", "/items/one", {}),
        ("POST", "/items", {"json": {"name": "a", "price": 1.5}}),
        ("POST", "/items", {"json": {"name": "a"}}),
        ("POST", "/items", {"content": b"{", "headers": {"content-type": "application/json"}}),
        ("GET", "/secret", {}),
        ("GET", "/secret", {"headers": {"x-token": "t"}}),
        ("GET", "/sync", {}),
        ("PATCH", "/items", {}),
        ("GET", "/openapi.json", {}),
        ("GET", "/docs", {}),
        ("GET", "/feed", {}),
        ("GET", "/feed", {"headers": {"accept": "text/event-stream"}}),
    ],
)
def test_an_answer_is_the_same(method: str, path: str, request_: dict[str, object], servers: Both) -> None:
    servers.same(method, path, **request_)


def test_events_arrive_one_by_one_and_stop_with_the_client(servers: Both) -> None:
    ENDED.clear()
    with servers.mine.stream("GET", "/endless", headers={"accept": "text/event-stream"}) as reply:
        assert reply.headers["content-type"].startswith("text/event-stream")
        lines = reply.iter_lines()
        seen = [line for line, _ in zip((line for line in lines if line.startswith("data:")), range(3), strict=False)]
    assert seen == ["data: 0", "data: 1", "data: 2"]
    until = time.monotonic() + 3
    while not ENDED and time.monotonic() < until:
        time.sleep(0.01)
    assert ENDED == ["endless"]
