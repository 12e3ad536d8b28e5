"""The workloads of frameworks in FastAPI, as its tutorial writes them: pydantic models, `Depends`, and `@app.middleware("http")`."""

from collections.abc import Awaitable, Callable
from functools import cache
from typing import Annotated

from fastapi import Depends, FastAPI, Request, Response

from benchmarks.apps.greetings import Card, Greeting, Phrasebook
from benchmarks.apps.payloads import AREAS, LAYERS, MESSAGE
from benchmarks.apps.pydantic_orders import Order


def application() -> FastAPI:
    """Without the pages that describe it: their routes would be asked first."""
    return FastAPI(openapi_url=None)


json = application()
params = application()
validate = application()
dependencies = application()
middleware = application()
routes = application()


@middleware.get("/middleware")
@json.get("/json")
async def show_message() -> dict[str, str]:
    return MESSAGE


@params.get("/rooms/{room}/users/{id}")
async def show_user(room: str, id: int, q: str | None = None) -> dict[str, str | int | None]:
    return {"room": room, "id": id, "q": q}


@validate.post("/validate")
async def take_order(order: Order) -> Order:
    return order


@cache
def only_phrasebook() -> Phrasebook:
    return Phrasebook()


async def phrasebook() -> Phrasebook:  # a plain function would be called in a thread each time
    return only_phrasebook()


async def make_greeting(book: Annotated[Phrasebook, Depends(phrasebook)]) -> Greeting:
    return Greeting(book)


async def make_card(greeting: Annotated[Greeting, Depends(make_greeting)]) -> Card:
    return Card(greeting)


@dependencies.get("/dependencies")
async def show_card(card: Annotated[Card, Depends(make_card)]) -> dict[str, str]:
    return card.content


async def layer(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    return await call_next(request)


for _ in range(LAYERS):
    middleware.middleware("http")(layer)


def area(number: int) -> Callable[[int], Awaitable[dict[str, int]]]:
    async def show(id: int) -> dict[str, int]:
        return {"area": number, "id": id}

    return show


for number in range(1, AREAS + 1):
    routes.get(f"/area{number}/{{id}}")(area(number))
