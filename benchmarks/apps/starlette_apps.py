"""The workloads of frameworks in Starlette, and its files. Validation is msgspec's, middleware plain ASGI classes; it has no injection."""

import msgspec
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from benchmarks.apps.orders import Order
from benchmarks.apps.payloads import AREAS, LAYERS, MESSAGE, large_file, served_file

decode = msgspec.json.Decoder(Order).decode
encode = msgspec.json.Encoder().encode


class Layer:
    """Awaits the next and touches nothing."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


async def show_message(request: Request) -> JSONResponse:
    return JSONResponse(MESSAGE)


async def show_user(request: Request) -> JSONResponse:
    found = request.path_params
    return JSONResponse({"room": found["room"], "id": found["id"], "q": request.query_params.get("q")})


async def take_order(request: Request) -> Response:
    return Response(encode(decode(await request.body())), media_type="application/json")


async def show_file(request: Request) -> FileResponse:
    return FileResponse(served_file(), media_type="application/octet-stream")


async def show_large_file(request: Request) -> FileResponse:
    return FileResponse(large_file(), media_type="application/octet-stream")


def area(number: int) -> Route:
    async def show(request: Request) -> JSONResponse:
        return JSONResponse({"area": number, "id": request.path_params["id"]})

    return Route(f"/area{number}/{{id:int}}", show)


json = Starlette(routes=[Route("/json", show_message)])
file = Starlette(routes=[Route("/file", show_file)])
file_large = Starlette(routes=[Route("/file_large", show_large_file)])
params = Starlette(routes=[Route("/rooms/{room}/users/{id:int}", show_user)])
validate = Starlette(routes=[Route("/validate", take_order, methods=["POST"])])
middleware = Starlette(routes=[Route("/middleware", show_message)], middleware=[Middleware(Layer)] * LAYERS)
routes = Starlette(routes=[area(number) for number in range(1, AREAS + 1)])
