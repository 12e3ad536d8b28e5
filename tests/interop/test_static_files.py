"""`StaticFiles` by itself, and mounted in Starlette, answers on our server as under uvicorn."""

from collections.abc import Generator
from functools import partial
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from pagi.apps import StaticFiles
from pagi.gateway.types import AnyApp
from tests.apps.site import make_site
from tests.interop.contest import Both, both


def make(root: Path, inside: bool) -> AnyApp:
    files = StaticFiles(root, precompressed=True, fallback="docs/page.html")
    return Starlette(routes=[Mount("/static", files)]) if inside else files


@pytest.fixture(scope="module", params=[False, True], ids=["alone", "in Starlette"])
def servers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[Both, str]]:
    """A client of each server, and the prefix of the files."""
    root = make_site(tmp_path_factory.mktemp("interop"))
    with both(partial(make, root, request.param)) as clients:
        yield clients, "/static" if request.param else ""


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/app.js", {}, 200),
        ("HEAD", "/app.js", {}, 200),
        ("GET", "/data.bin", {}, 200),
        ("HEAD", "/data.bin", {}, 200),
        ("GET", "/empty.txt", {}, 200),
        ("GET", "/data.bin", {"range": "bytes=5-90000"}, 206),
        ("GET", "/data.bin", {"range": "bytes=-0"}, 416),
        ("GET", "/app.js", {"if-none-match": "*"}, 304),
        ("GET", "/app.js", {"if-match": '"x"'}, 412),
        ("GET", "/docs?a=b", {}, 308),
        ("GET", "/docs/", {}, 200),
        ("GET", "/users/5", {"accept": "text/html"}, 200),
        ("GET", "/none.js", {}, 404),
        ("GET", "/.env", {}, 404),
        ("GET", "/%2e%2e/secret.txt", {}, 404),
        ("GET", "/docs%2fpage.html", {}, 404),
        ("GET", "/out.txt", {}, 404),
        ("POST", "/app.js", {}, 405),
        ("OPTIONS", "/app.js", {}, 204),
        ("GET", "/app.js", {"accept": "text/event-stream"}, 200),
    ],
)
def test_both_servers_answer_alike(servers: tuple[Both, str], method: str, path: str, headers: dict[str, str], status: int) -> None:
    clients, prefix = servers
    assert clients.same(method, prefix + path, headers=headers).status_code == status
