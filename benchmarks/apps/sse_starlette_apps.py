"""Event streams in Starlette by way of sse-starlette, as its documentation writes them."""

import asyncio
from collections.abc import AsyncIterator

from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route

from benchmarks.apps.payloads import HELLO_EVENT


async def greet_and_wait() -> AsyncIterator[dict[str, str]]:
    yield {"data": HELLO_EVENT}
    await asyncio.Event().wait()


async def show_events(request: Request) -> EventSourceResponse:
    return EventSourceResponse(greet_and_wait(), sep="\n")


events = Starlette(routes=[Route("/events", show_events)])
