"""Codecs: classes that msgspec does not know, taught to an app."""

import re
from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
import pytest

from pagi import App, ConfigError, Event, Form, Header, HTTPEndpoint, Path, Query, Router, SSEEndpoint, WebSocketContext, WebSocketEndpoint
from pagi.testing import TestClient

pytestmark = pytest.mark.anyio


class Money:
    def __init__(self, cents: int, currency: str) -> None:
        self.cents, self.currency = cents, currency

    def __str__(self) -> str:
        return f"{self.cents / 100:.2f} {self.currency}"


class MoneyCodec:
    """`"1.50 EUR"`, everywhere."""

    def knows(self, cls: type[Any]) -> bool:
        return cls is Money

    def decode(self, cls: type[Any], value: Any) -> Money:
        found = re.fullmatch(r"(\d+)\.(\d\d) ([A-Z]{3})", value) if isinstance(value, str) else None
        if found is None:
            raise ValueError("an amount is written like 1.50 EUR")
        return Money(int(found[1]) * 100 + int(found[2]), found[3])

    def encode(self, value: Any) -> str:
        return str(value)


class Order(msgspec.Struct):
    price: Money
    tips: list[Money] = []


class Orders(HTTPEndpoint):
    async def post(self, body: Order) -> Order:
        return Order(Money(body.price.cents * 2, body.price.currency), body.tips)

    async def get(self, price: Annotated[Money, Query()], limit: Annotated[Money | None, Header()] = None) -> dict[str, Money | None]:
        return {"price": price, "limit": limit}


class Prices(SSEEndpoint):
    async def stream(self) -> AsyncIterator[Event[Money]]:
        yield Event(Money(150, "EUR"))


class Shop(WebSocketEndpoint):
    encoding = "json"

    async def on_receive(self, ctx: WebSocketContext, message: Order) -> None:
        await ctx.send_json(message.price)


def an_app(**options: Any) -> App:
    app = App(codecs=[MoneyCodec()], **options)
    app.add("/orders", Orders)
    app.add("/prices", Prices)
    app.add("/shop", Shop)

    @app.get("/in/{price}")
    async def inside(price: Annotated[Money, Path()]) -> Money:
        return price

    @app.post("/form")
    async def form(price: Annotated[Money, Form()]) -> str:
        return str(price)

    return app


async def test_a_taught_class_is_read_and_written_wherever_it_stands() -> None:
    async with TestClient(an_app()) as client:
        order = await client.post("/orders", json={"price": "1.50 EUR", "tips": ["0.10 EUR"]})
        assert order.json() == {"price": "3.00 EUR", "tips": ["0.10 EUR"]}
        asked = await client.get("/orders", params={"price": "2.00 USD"}, headers={"limit": "5.00 USD"})
        assert asked.json() == {"price": "2.00 USD", "limit": "5.00 USD"}
        assert (await client.get("/in/7.00%20CHF")).json() == "7.00 CHF"
        assert (await client.post("/form", data={"price": "9.99 EUR"})).text == "9.99 EUR"
        async with client.sse("/prices") as stream:
            assert (await stream.receive()).data == "1.50 EUR"
        async with client.websocket("/shop") as ws:
            await ws.send_json({"price": "1.00 EUR"})
            assert await ws.receive_json() == "1.00 EUR"


async def test_what_does_not_fit_is_told_with_its_place() -> None:
    async with TestClient(an_app()) as client:
        wrong = await client.post("/orders", json={"price": "free", "tips": ["0.10 EUR", 5]})
        assert wrong.status == 422
        assert [error["path"] for error in wrong.json()["errors"]] == ["body.price", "body.tips[1]"]
        assert wrong.json()["errors"][0]["message"] == "an amount is written like 1.50 EUR"
        asked = await client.get("/orders?price=free")
        assert asked.json()["errors"] == [{"path": "query.price", "message": "an amount is written like 1.50 EUR"}]


def test_a_class_that_nobody_taught_fails_the_build() -> None:
    app = App()
    app.add("/orders", Orders)
    with pytest.raises(ConfigError, match=r"nothing here knows how Money is decoded; teach it with App\(codecs=\[\.\.\.\]\)"):
        app.build()


async def test_a_mounted_app_knows_what_the_app_around_it_was_taught() -> None:
    router = Router()
    router.add("/orders", Orders)
    inner = App(routers=[router])
    app = an_app()
    app.mount("/inner", inner)
    async with TestClient(app) as client:
        assert (await client.post("/inner/orders", json={"price": "1.00 EUR"})).json()["price"] == "2.00 EUR"
