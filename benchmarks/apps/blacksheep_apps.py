"""The workloads of frameworks in BlackSheep: pydantic models, its own container of services, and middleware functions."""

from collections.abc import Awaitable, Callable
from typing import Any

from blacksheep import Application, FromJSON, Request, Response, Router
from rodi import Container

from benchmarks.apps.greetings import Card, Greeting, Phrasebook
from benchmarks.apps.payloads import AREAS, LAYERS, MESSAGE
from benchmarks.apps.pydantic_orders import Order

services: Any = Container()  # its types are known in part only
services.add_singleton(Phrasebook)
services.add_scoped(Greeting)
services.add_scoped(Card)


def application() -> Application:
    """With a router of its own: the default one belongs to the whole process."""
    return Application(router=Router(), services=services)


json = application()
params = application()
validate = application()
dependencies = application()
middleware = application()
routes = application()


@middleware.router.get("/middleware")
@json.router.get("/json")
async def show_message() -> dict[str, str]:
    return MESSAGE


@params.router.get("/rooms/{room}/users/{id}")
async def show_user(room: str, id: int, q: str | None = None) -> dict[str, str | int | None]:
    return {"room": room, "id": id, "q": q}


@validate.router.post("/validate")
async def take_order(data: FromJSON[Order]) -> Order:
    return data.value


@dependencies.router.get("/dependencies")
async def show_card(card: Card) -> dict[str, str]:
    return card.content


async def layer(request: Request, handler: Callable[[Request], Awaitable[Response]]) -> Response:
    return await handler(request)


for _ in range(LAYERS):
    middleware.middlewares.append(layer)


def area(number: int) -> Callable[[int], Awaitable[dict[str, int]]]:
    async def show(id: int) -> dict[str, int]:
        return {"area": number, "id": id}

    return show


for number in range(1, AREAS + 1):
    routes.router.get(f"/area{number}/{{id}}")(area(number))
