"""`StaticFiles`, mounted: what browsers, caches and single page apps get, through the real server in memory."""

import errno
import os
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from pagi import App, ConfigError, Context, FileResponse, HTTPContext, Next, Response, Router, Text
from pagi.apps import StaticFiles
from pagi.http.dates import http_date, parse_date
from pagi.testing import TestClient
from tests.apps.site import PUBLIC, make_site, write

pytestmark = pytest.mark.anyio

MTIME = http_date(1_700_000_000)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_site(tmp_path_factory.mktemp("site"))


@pytest.fixture
async def client(root: Path) -> AsyncGenerator[TestClient]:
    async with TestClient(mounted(root)) as client:
        yield client


make: Any = StaticFiles
"""Without its types: for options it does not have."""


def mounted(root: Path, **options: Any) -> App:
    """An app that serves `root` under `/static`."""
    app = App()
    app.mount("/static", StaticFiles(root, **options))
    return app


# ---- files


async def test_a_file_is_served_with_what_caches_ask_for(client: TestClient) -> None:
    reply = await client.get("/static/app.js")
    assert (reply.status, reply.content) == (200, PUBLIC["app.js"])
    fields = {name: value for name, value in reply.headers.items() if name not in ("date", "server", "etag")}
    assert fields == {
        "content-type": "text/javascript; charset=utf-8",
        "content-length": "2200",
        "last-modified": MTIME,
        "accept-ranges": "bytes",
        "x-content-type-options": "nosniff",
    }
    assert reply.headers["etag"] == '"17979cfe362a0000-898"'


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("docs/page.html", "text/html; charset=utf-8"),
        ("data.bin", "application/octet-stream"),
        ("Gr%C3%BC%C3%9Fe.txt", "text/plain; charset=utf-8"),
        ("100%25%20real.txt", "text/plain; charset=utf-8"),
        ("empty.txt", "text/plain; charset=utf-8"),
        (".well-known/security.txt", "text/plain; charset=utf-8"),
        ("%252e%252e", "application/octet-stream"),
    ],
)
async def test_a_file_has_the_type_of_its_name(client: TestClient, path: str, content_type: str) -> None:
    reply = await client.get(f"/static/{path}")
    assert (reply.status, reply.headers["content-type"]) == (200, content_type)
    assert reply.content in PUBLIC.values()


async def test_head_has_the_fields_of_get(client: TestClient) -> None:
    for path in ("app.js", "empty.txt", "docs/", "docs", "none"):
        head, reply = await client.head(f"/static/{path}"), await client.get(f"/static/{path}")
        assert (head.status, head.content) == (reply.status, b"")
        assert [field for field in head.headers.items() if field[0] != "date"] == [
            field for field in reply.headers.items() if field[0] != "date"
        ]


async def test_other_methods_are_told_which_are_served(client: TestClient) -> None:
    for path in ("app.js", "none", "../x"):
        for method in ("POST", "PUT", "PATCH", "DELETE", "BREW"):
            reply = await client.request(method, f"/static/{path}")
            assert (reply.status, reply.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
            assert "BREW" not in reply.text
        reply = await client.options(f"/static/{path}")
        assert (reply.status, reply.headers["allow"], reply.content) == (204, "GET, HEAD, OPTIONS", b"")


async def test_a_missing_file_says_nothing_about_the_request(client: TestClient) -> None:
    for path in ("none-of-these", "none-of-these/", "app.js/", "../none-of-these", "%2e%2e/none-of-these"):
        reply = await client.get(f"/static/{path}?none-of-these=1")
        assert (reply.status, reply.headers["content-type"]) == (404, "application/problem+json")
        assert "none-of-these" not in reply.text
        assert "etag" not in reply.headers


async def test_a_file_that_may_not_be_read_is_not_there(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def refusing(path: str, flags: int, *, dir_fd: int | None = None) -> int:
        if path == "app.js":
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, flags, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", refusing)
    assert (await client.get("/static/app.js")).status == 404


async def test_a_time_that_is_to_come_or_no_date_at_all_is_not_told(tmp_path: Path) -> None:
    for name, seconds in (("late.txt", 4_000_000_000), ("early.txt", -70_000_000_000)):
        write(tmp_path / name, b"text")
        os.utime(tmp_path / name, (seconds, seconds))
    async with TestClient(mounted(tmp_path)) as client:
        late = parse_date((await client.get("/static/late.txt")).headers["last-modified"])
        assert late is not None
        assert late <= datetime.now(UTC)  # RFC 9110 section 8.8.2.1
        early = await client.get("/static/early.txt")
        told = early.headers.get("last-modified")  # some file systems keep such a time, others the nearest they have
        assert (early.status, told is None or parse_date(told) is not None) == (200, True)


# ---- folders


async def test_a_folder_shows_its_index_under_the_path_with_a_slash(client: TestClient) -> None:
    assert (await client.get("/static/")).content == PUBLIC["index.html"]
    assert (await client.get("/static/docs/")).content == PUBLIC["docs/index.html"]
    assert (await client.get("/static/docs/")).headers["content-type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize(
    ("target", "location"),
    [
        ("/static", "/static/"),
        ("/static?a=b&c=%20d", "/static/?a=b&c=%20d"),
        ("/static/docs", "/static/docs/"),
        ("/static/docs?next=//evil.example", "/static/docs/?next=//evil.example"),
        ("/static/%64ocs", "/static/docs/"),
    ],
)
async def test_a_folder_without_its_slash_is_redirected(client: TestClient, target: str, location: str) -> None:
    reply = await client.get(target)
    assert (reply.status, reply.headers["location"], reply.content) == (308, location, b"")


async def test_a_folder_without_an_index_is_not_there(client: TestClient) -> None:
    for path in ("/static/plain", "/static/plain/", "/static/folder.txt", "/static/linked/", "/static/linked"):
        assert (await client.get(path)).status == 404


async def test_the_redirect_knows_where_the_app_is_mounted(root: Path) -> None:
    inner = Router("/deep")
    inner.mount("/files", StaticFiles(root))
    app = App()
    app.mount("/in", inner)
    async with TestClient(app, root_path="/proxied") as client:
        assert (await client.get("/in/deep/files/docs")).headers["location"] == "/proxied/in/deep/files/docs/"
        assert (await client.get("/in/deep/files")).headers["location"] == "/proxied/in/deep/files/"
        assert (await client.get("/in/deep/files/docs/")).content == PUBLIC["docs/index.html"]


async def test_no_redirect_leads_to_another_host(root: Path, tmp_path: Path) -> None:
    write(tmp_path / "evil.example" / "index.html", b"a folder by the name of a host")
    app = App()
    app.mount("/", StaticFiles(tmp_path))
    async with TestClient(app) as client:
        assert (await client.get("/evil.example")).headers["location"] == "/evil.example/"
        for path in (
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "/%2fevil.example",
            "/%5cevil.example",
            "//evil.example/%2e%2e",
        ):
            assert (await client.get(path)).status == 404
    async with TestClient(app, root_path="//evil.example") as client:
        assert (await client.get("/evil.example")).headers["location"] == "/evil.example/evil.example/"


async def test_the_index_may_have_another_name_or_none(root: Path) -> None:
    async with TestClient(mounted(root, index="page.html")) as client:
        assert (await client.get("/static/docs/")).content == PUBLIC["docs/page.html"]
        assert (await client.get("/static/")).status == 404
    async with TestClient(mounted(root, index=None)) as client:
        assert [(await client.get(f"/static{path}")).status for path in ("", "/", "/docs", "/docs/", "/docs/index.html")] == [404] * 4 + [
            200
        ]


# ---- conditions


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"if-none-match": "{etag}"}, 304),
        ({"if-none-match": "W/{etag}"}, 304),
        ({"if-none-match": '"other", {etag}'}, 304),
        ({"if-none-match": "*"}, 304),
        ({"if-none-match": '"other"'}, 200),
        ({"if-none-match": '"other"', "if-modified-since": MTIME}, 200),
        ({"if-modified-since": MTIME}, 304),
        ({"if-modified-since": http_date(1_600_000_000)}, 200),
        ({"if-match": "{etag}"}, 200),
        ({"if-match": '"other"'}, 412),
        ({"if-match": "W/{etag}"}, 412),
        ({"if-unmodified-since": http_date(1_600_000_000)}, 412),
        ({"if-none-match": "{etag}", "range": "bytes=0-9"}, 304),
        ({"if-match": '"other"', "range": "bytes=0-9"}, 412),
    ],
)
async def test_conditions_are_answered(client: TestClient, headers: dict[str, str], status: int) -> None:
    etag = (await client.get("/static/app.js")).headers["etag"]
    asked = {name: value.replace("{etag}", etag) for name, value in headers.items()}
    for method in ("GET", "HEAD"):
        reply = await client.request(method, "/static/app.js", headers=asked)
        assert reply.status == status
        if status == 304:
            assert (reply.content, reply.headers["etag"], reply.headers.get("content-type")) == (b"", etag, None)


async def test_a_changed_file_has_another_tag(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", b"one")
    async with TestClient(mounted(tmp_path)) as client:
        before = (await client.get("/static/a.txt")).headers["etag"]
        os.utime(tmp_path / "a.txt", ns=(1, 1_700_000_000_000_000_001))  # a nanosecond later
        after = (await client.get("/static/a.txt")).headers["etag"]
        assert before != after
        assert (await client.get("/static/a.txt", headers={"if-none-match": before})).status == 200


# ---- options


async def test_cache_control_is_one_value_or_a_function_of_the_path(root: Path) -> None:
    async with TestClient(mounted(root, cache_control="public, max-age=60")) as client:
        reply = await client.get("/static/app.js")
        assert reply.headers["cache-control"] == "public, max-age=60"
        reply = await client.get("/static/app.js", headers={"if-none-match": "*"})
        assert (reply.status, reply.headers["cache-control"]) == (304, "public, max-age=60")
        assert "cache-control" not in (await client.get("/static/none")).headers
    seen: list[str] = []

    def by_name(path: str) -> str | None:
        seen.append(path)
        return "no-cache" if path.endswith(".html") else None

    async with TestClient(mounted(root, cache_control=by_name)) as client:
        assert (await client.get("/static/docs/")).headers["cache-control"] == "no-cache"
        assert "cache-control" not in (await client.get("/static/docs/deep/er/file.txt")).headers
    assert seen == ["docs/index.html", "docs/deep/er/file.txt"]


@pytest.mark.parametrize(
    ("path", "accept", "status"),
    [
        ("/static/users/5", "text/html,*/*;q=0.8", 200),
        ("/static/users/jane.doe", "text/html,*/*;q=0.8", 200),
        ("/static/users/5", "*/*", 200),
        ("/static/users/5", None, 200),
        ("/static/users/5/", "*/*", 200),
        ("/static/plain/", "*/*", 200),
        ("/static/app-0f3d.js", "*/*", 404),
        ("/static/photo.png", "image/*, */*;q=0.8", 404),
        ("/static/users/5", "application/json", 404),
        ("/static/users/5", "text/html;q=0, */*", 404),
        ("/static/../users", "text/html", 404),
        ("/static/%2e%2e/users", "text/html", 404),
    ],
)
async def test_the_fallback_answers_where_a_page_is_asked_for(root: Path, path: str, accept: str | None, status: int) -> None:
    headers = {"accept": accept} if accept is not None else None
    async with TestClient(mounted(root, fallback="docs/page.html")) as client:
        reply = await client.get(path, headers=headers)
        assert reply.status == status
        if status == 200:
            assert (reply.content, reply.headers["vary"]) == (PUBLIC["docs/page.html"], "Accept")
        assert (await client.get("/static/app.js")).content == PUBLIC["app.js"]
        assert (await client.get("/static/docs/")).content == PUBLIC["docs/index.html"]


async def test_whatever_depended_on_accept_says_so(root: Path) -> None:
    async with TestClient(mounted(root, fallback="index.html", precompressed=True)) as client:
        assert (await client.get("/static/none.js")).headers["vary"] == "Accept"
        assert (await client.get("/static/none", headers={"accept": "text/html"})).headers["vary"] == "Accept-Encoding, Accept"
        assert (await client.get("/static/app.js")).headers["vary"] == "Accept-Encoding"


@pytest.fixture(scope="module")
def squeezed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with compressed forms of some files."""
    root = tmp_path_factory.mktemp("squeezed")
    for name in ("a.js", "a.js.br", "a.js.gz", "a.js.zst", "b.css", "b.css.gz", "c.txt", "only.txt.gz"):
        write(root / name, f"this is {name}".encode())
    (root / "c.txt.gz").symlink_to("a.js.gz")
    return root


@pytest.mark.parametrize(
    ("path", "accept", "coding"),
    [
        ("a.js", "gzip, deflate, br, zstd", "br"),
        ("a.js", "gzip, zstd", "zstd"),
        ("a.js", "gzip, br;q=0.5", "gzip"),
        ("a.js", "GZIP", "gzip"),
        ("a.js", "*", "br"),
        ("a.js", "br;q=0, *", "zstd"),
        ("a.js", "gzip;q=0", None),
        ("a.js", "gzip;q=0.5, identity", None),
        ("a.js", "identity", None),
        ("a.js", "gzip;q=much", None),
        ("a.js", "", None),
        ("b.css", "gzip, br", "gzip"),
        ("b.css", "br", None),
        ("c.txt", "gzip", None),
    ],
)
async def test_a_client_gets_the_form_it_accepts(squeezed: Path, path: str, accept: str, coding: str | None) -> None:
    suffix = {"br": ".br", "gzip": ".gz", "zstd": ".zst"}
    async with TestClient(mounted(squeezed, precompressed=True)) as client:
        plain = await client.get(f"/static/{path}")
        reply = await client.get(f"/static/{path}", headers={"accept-encoding": accept})
        assert reply.text == f"this is {path}{suffix[coding] if coding else ''}"
        assert (reply.headers.get("content-encoding"), reply.headers["vary"]) == (coding, "Accept-Encoding")
        assert reply.headers["content-type"] == plain.headers["content-type"]
        assert (reply.headers["etag"] == plain.headers["etag"]) is (coding is None)
        again = {"accept-encoding": accept, "if-none-match": reply.headers["etag"]}
        assert (await client.get(f"/static/{path}", headers=again)).status == 304


async def test_a_compressed_form_alone_stands_for_nothing(squeezed: Path) -> None:
    async with TestClient(mounted(squeezed, precompressed=True)) as client:
        assert (await client.get("/static/only.txt", headers={"accept-encoding": "gzip"})).status == 404
        assert (await client.get("/static/only.txt.gz")).headers["content-type"] == "application/gzip"
    async with TestClient(mounted(squeezed)) as client:
        reply = await client.get("/static/a.js", headers={"accept-encoding": "gzip"})
        assert (reply.text, "vary" in reply.headers) == ("this is a.js", False)


async def test_a_range_of_a_compressed_form_is_one_of_its_bytes(squeezed: Path) -> None:
    async with TestClient(mounted(squeezed, precompressed=True)) as client:
        reply = await client.get("/static/a.js", headers={"accept-encoding": "gzip", "range": "bytes=-2"})
        assert (reply.status, reply.content, reply.headers["content-range"]) == (206, b"gz", "bytes 13-14/15")


async def test_links_and_dotfiles_are_served_where_they_may_be(root: Path) -> None:
    async with TestClient(mounted(root, follow_symlinks=True)) as client:
        assert (await client.get("/static/inside/page.html")).content == PUBLIC["docs/page.html"]
        assert (await client.get("/static/inside")).headers["location"] == "/static/inside/"
        assert (await client.get("/static/out.txt")).status == 404
    async with TestClient(mounted(root, dotfiles=True)) as client:
        assert (await client.get("/static/.env")).status == 200
        assert (await client.get("/static/..double")).status == 200


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"directory": "/no/such/folder"}, "there is no folder /no/such/folder; make it"),
        ({"directory": __file__}, "there is no folder"),
        ({"index": "a/b"}, "index is one name"),
        ({"index": ""}, "index is the path of a file"),
        ({"index": "../index.html"}, "index is the path of a file"),
        ({"fallback": "none.html"}, "the fallback 'none.html' is no file"),
        ({"fallback": "../secret.txt"}, "fallback is the path of a file below the folder"),
        ({"fallback": "docs/"}, "fallback is the path of a file"),
        ({"fallback": "docs"}, "is no file"),
        ({"fallback": "out.txt"}, "is no file"),
    ],
)
def test_what_cannot_be_served_is_told_at_once(root: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        make(**{"directory": root, **options})


def test_a_header_is_refused_at_once_and_options_are_known(root: Path) -> None:
    with pytest.raises(ValueError, match="cache-control"):
        StaticFiles(root, cache_control="a\r\nb: c")
    with pytest.raises(TypeError):
        make(root, follow_links=True)


async def test_a_folder_that_comes_later_is_not_asked_for_now(tmp_path: Path) -> None:
    files = StaticFiles(tmp_path / "later", fallback="index.html", check=False)
    app = App()
    app.mount("/static", files)
    async with TestClient(app) as client:
        assert (await client.get("/static/")).status == 404
        write(tmp_path / "later" / "index.html", b"now")
        assert (await client.get("/static/")).content == b"now"


# ---- middleware above


async def test_middleware_gets_the_answer_as_a_value(root: Path) -> None:
    seen: list[Response] = []

    async def watch(ctx: HTTPContext, next: Next) -> Response:
        response = await next()
        seen.append(response)
        response.headers["x-seen"] = ctx.path
        assert ctx.scope["root_path"] == ""
        return response

    app = App(middleware=[watch])
    app.mount("/static", StaticFiles(root))
    async with TestClient(app) as client:
        reply = await client.get("/static/app.js")
        assert (reply.headers["x-seen"], reply.content) == ("/static/app.js", PUBLIC["app.js"])
        assert (await client.get("/static/none")).headers["x-seen"] == "/static/none"
        assert (await client.get("/static/docs")).headers["x-seen"] == "/static/docs"
    file = seen[0]
    assert isinstance(file, FileResponse)
    assert (file.path, file.is_sent) == (str(root / "app.js"), False)


async def test_a_file_that_is_not_sent_is_closed(root: Path) -> None:
    before = set(os.listdir("/dev/fd"))

    async def instead(ctx: Context, next: Next) -> Response:
        kept.append(await next())
        if ctx.path.endswith(".bin"):
            raise RuntimeError("after all")
        return Text("something else")

    kept: list[Response] = []
    app = App(middleware=[instead])
    app.mount("/static", StaticFiles(root))
    async with TestClient(app, raise_app_exceptions=False) as client:
        assert (await client.get("/static/app.js")).text == "something else"
        assert (await client.get("/static/app.js", headers={"range": "bytes=0-1,500-501"})).text == "something else"
        assert (await client.get("/static/data.bin")).status == 500
    assert len(kept) == 3
    assert set(os.listdir("/dev/fd")) == before
