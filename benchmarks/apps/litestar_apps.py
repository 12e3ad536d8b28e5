"""The workloads of frameworks in Litestar: msgspec structs, `Provide`, and its own middleware classes."""

from typing import Any

from litestar import Litestar, get, post
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler
from litestar.middleware import ASGIMiddleware
from litestar.types import ASGIApp, Receive, Scope, Send

from benchmarks.apps.greetings import Card, Greeting, Phrasebook
from benchmarks.apps.orders import Order
from benchmarks.apps.payloads import AREAS, LAYERS, MESSAGE


class Layer(ASGIMiddleware):
    """Awaits the next and touches nothing."""

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        await next_app(scope, receive, send)


@get(["/json", "/middleware"])
async def show_message() -> dict[str, str]:
    return MESSAGE


@get("/rooms/{room:str}/users/{id:int}")
async def show_user(room: str, id: int, q: str | None = None) -> dict[str, str | int | None]:
    return {"room": room, "id": id, "q": q}


@post("/validate", status_code=200)
async def take_order(data: Order) -> Order:
    return data


async def make_book() -> Phrasebook:
    return Phrasebook()


async def make_greeting(book: Phrasebook) -> Greeting:
    return Greeting(book)


async def make_card(greeting: Greeting) -> Card:
    return Card(greeting)


@get("/dependencies")
async def show_card(card: Card) -> dict[str, str]:
    return card.content


def area(number: int) -> HTTPRouteHandler:
    @get(f"/area{number}/{{id:int}}")
    async def show(id: int) -> dict[str, int]:
        return {"area": number, "id": id}

    return show


def application(*handlers: HTTPRouteHandler, **options: Any) -> Litestar:
    """Without the pages that describe it."""
    return Litestar([*handlers], openapi_config=None, **options)


json = application(show_message)
params = application(show_user)
validate = application(take_order)
dependencies = application(
    show_card,
    dependencies={"book": Provide(make_book, use_cache=True), "greeting": Provide(make_greeting), "card": Provide(make_card)},
)
middleware = application(show_message, middleware=[Layer() for _ in range(LAYERS)])
routes = application(*(area(number) for number in range(1, AREAS + 1)))
