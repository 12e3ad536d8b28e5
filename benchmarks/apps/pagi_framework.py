"""The workloads of frameworks as a user of pagi would write them: one App for all of them, two layers of middleware round each route."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from benchmarks.apps.greetings import Card, Greeting, Phrasebook
from benchmarks.apps.orders import Order
from benchmarks.apps.payloads import AREAS, MESSAGE
from pagi import App, Context, Depends, Next, Response, Router, provider


async def first(ctx: Context, next: Next) -> Response:
    return await next()


async def second(ctx: Context, next: Next) -> Response:
    return await next()


async def third(ctx: Context, next: Next) -> Response:  # these three only round one route, which so has five
    return await next()


async def fourth(ctx: Context, next: Next) -> Response:
    return await next()


async def fifth(ctx: Context, next: Next) -> Response:
    return await next()


@provider(scope="app")
def phrasebook() -> Phrasebook:
    return Phrasebook()


async def make_greeting(book: Phrasebook) -> Greeting:
    return Greeting(book)


async def make_card(greeting: Annotated[Greeting, Depends(make_greeting)]) -> Card:
    return Card(greeting)


app = App(middleware=[first, second], providers=[phrasebook])


@app.get("/json")
async def json() -> dict[str, str]:
    return MESSAGE


@app.get("/rooms/{room}/users/{id:int}")
async def params(room: str, id: int, q: str | None = None) -> dict[str, object]:
    return {"room": room, "id": id, "q": q}


@app.post("/validate")
async def validate(body: Order) -> Order:
    return body


@app.get("/dependencies")
async def dependencies(card: Annotated[Card, Depends(make_card)]) -> dict[str, str]:
    return card.content


layered = Router(middleware=[third, fourth, fifth])


@layered.get("/middleware")
async def middleware() -> dict[str, str]:
    return MESSAGE


app.include(layered)


def area(number: int) -> Callable[[int], Awaitable[dict[str, int]]]:
    async def show(id: int) -> dict[str, int]:
        return {"area": number, "id": id}

    return show


for number in range(1, AREAS + 1):
    app.get(f"/area{number}/{{id:int}}")(area(number))
