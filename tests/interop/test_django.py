"""A Django application, set up in code, answers on our server as on others: as an ASGI and as a WSGI application."""

# Django ships no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownArgumentType=false, reportArgumentType=false

from collections.abc import AsyncGenerator, Generator
from typing import Any

import django
import pytest
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

from tests.interop.contest import Both, both, both_by_wsgi

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


def count(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse((f"{number}\n" for number in range(20)), content_type="text/plain")


def itself(request: HttpRequest) -> FileResponse:
    return FileResponse(open(__file__, "rb"), content_type="text/plain")  # Django closes it


def fails(request: HttpRequest) -> HttpResponse:
    raise ZeroDivisionError("secret")


urlpatterns = [path("", home), path("upload", upload), path("stream", stream), path("fails", fails), path("folder/", home)]
urlpatterns += [path("count", count), path("itself", itself), path("caf\u00e9", home)]


@pytest.fixture(scope="module")
def servers() -> Generator[Both]:
    """The application on both servers."""
    make: Any = get_asgi_application
    with both(make) as clients:
        yield clients


@pytest.fixture(scope="module")
def wsgi_servers() -> Generator[Both]:
    """The same on its other interface."""
    make: Any = get_wsgi_application
    with both_by_wsgi(make) as clients:
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


@pytest.mark.filterwarnings("ignore:.*StreamingHttpResponse must consume asynchronous iterators")
@pytest.mark.parametrize(
    ("method", "address", "request_"),
    [
        ("GET", "/?a=b%20c", {}),
        ("HEAD", "/", {}),
        ("GET", "/missing", {}),
        ("GET", "/count", {}),
        ("GET", "/stream", {}),
        ("GET", "/itself", {}),
        ("GET", "/caf%C3%A9", {}),
        ("POST", "/upload", {"content": b"x" * 100_000, "headers": {"content-type": "application/octet-stream"}}),
        ("POST", "/upload", {"data": {"a": "b"}}),
        ("GET", "/", {"headers": {"host": "evil.example"}}),
        ("GET", "/", {"headers": {"accept": "text/event-stream", "cookie": "a=b"}}),
        ("GET", "/fails", {}),
    ],
)
def test_a_wsgi_answer_is_the_same(method: str, address: str, request_: dict[str, object], wsgi_servers: Both) -> None:
    wsgi_servers.same(method, address, **request_)
