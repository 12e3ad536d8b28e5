"""A Django ASGI application, set up in code, answers on our server as under uvicorn."""

# Django ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownArgumentType=false, reportArgumentType=false

from collections.abc import AsyncGenerator, Generator
from typing import Any

import django
import pytest
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

from tests.interop.contest import Both, both

if not settings.configured:
    settings.configure(
        SECRET_KEY="only for this test",
        ALLOWED_HOSTS=["127.0.0.1"],
        ROOT_URLCONF=__name__,
        MIDDLEWARE=["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"],
        LOGGING_CONFIG=None,
        DATA_UPLOAD_MAX_MEMORY_SIZE=10_000_000,
    )
    django.setup(set_prefix=False)


def home(request: HttpRequest) -> HttpResponse:
    reply = JsonResponse({"method": request.method, "path": request.path, "query": request.GET.dict()})
    reply.set_cookie("seen", "yes")
    reply.set_cookie("twice", "yes")
    return reply


async def upload(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"{len(request.body)} {request.POST.get('a', '-')}")


async def stream(request: HttpRequest) -> StreamingHttpResponse:
    async def lines() -> AsyncGenerator[str]:
        for number in range(20):
            yield f"line {number}\n"

    return StreamingHttpResponse(lines(), content_type="text/plain")


def fails(request: HttpRequest) -> HttpResponse:
    raise ZeroDivisionError("secret")


urlpatterns = [path("", home), path("upload", upload), path("stream", stream), path("fails", fails), path("folder/", home)]


@pytest.fixture(scope="module")
def servers() -> Generator[Both]:
    """The application on both servers."""
    make: Any = get_asgi_application
    with both(make) as clients:
        yield clients


@pytest.mark.parametrize(
    ("method", "address", "request_"),
    [
        ("GET", "/?a=b%20c", {}),
        ("HEAD", "/", {}),
        ("GET", "/missing", {}),
        ("GET", "/folder", {}),
        ("GET", "/stream", {}),
        ("POST", "/upload", {"content": b"x" * 100_000, "headers": {"content-type": "application/octet-stream"}}),
        ("POST", "/upload", {"data": {"a": "b"}}),
        ("GET", "/", {"headers": {"host": "evil.example"}}),
        ("GET", "/", {"headers": {"accept": "text/event-stream"}}),
        ("GET", "/fails", {}),
    ],
)
def test_an_answer_is_the_same(method: str, address: str, request_: dict[str, object], servers: Both) -> None:
    servers.same(method, address, **request_)
