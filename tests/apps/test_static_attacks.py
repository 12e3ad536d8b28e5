"""Every spelling of a way out of the folder, byte by byte as a hostile client writes it, and every one is 404."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pagi import App
from pagi.apps import StaticFiles
from pagi.gateway.types import AnyApp
from pagi.testing import TestClient
from tests.apps.site import HIDDEN, PUBLIC, SECRET, SERVED, make_site

pytestmark = pytest.mark.anyio

DOTS = [b"..", b"%2e%2e", b".%2e", b"%2E.", b"%252e%252e", b"%25252e%25252e", b"%c0%ae%c0%ae", b"%uff0e%uff0e", b"..%00", b"..;", b"..."]
SLASHES = [b"/", b"%2f", b"%2F", b"%252f", b"%5c", b"\\", b"%255c", b"%c0%af", b"//", b"%00/", b"/./"]

ATTACKS = [
    *(before + slash + b"secret.txt" for before in DOTS for slash in SLASHES),
    *(b"docs" + slash + dots + slash + dots + slash + b"secret.txt" for dots in DOTS for slash in SLASHES),
    *(dots + slash + b"public-secret" + slash + b"file.txt" for dots in DOTS for slash in SLASHES),
    *(b"docs" + slash + b".." + slash + b"app.js" for slash in SLASHES),
    *(b"docs" + slash + b"page.html" for slash in SLASHES if slash != b"/"),
    b"/etc/passwd",
    b"//etc/passwd",
    b"%2fetc%2fpasswd",
    b"%2Fetc/passwd",
    b"file:///etc/passwd",
    b"C:/windows/win.ini",
    b"C:%5cwindows%5cwin.ini",
    b"%43:/secret.txt",
    b"c%3a/secret.txt",
    b"%5c%5chost%5cshare",
    b"a:b",
    b"app.js%00",
    b"app.js%00.txt",
    b"app.js.",
    b"app.js%20",
    b"app.js%2e",
    b"app.js/",
    b"app.js/.",
    b"app.js/..",
    b"app.js/../app.js",
    b"./app.js",
    b"%2e/app.js",
    b"docs/./page.html",
    b"docs//page.html",
    b"APP.JS",
    b"app.js::$DATA",
    b"..double",
    b".env",
    b"%2eenv",
    b".git/config",
    b".git",
    b".git/",
    b"%2egit/config",
    b"docs/.htpasswd",
    b".well-known/.secret",
    b".well-known/../.env",
    b"hidden.txt",
    b"ends.",
    b"ends%20",
    b"back%5cslash",
    b"line%0abreak",
    b"out.txt",
    b"absolute.txt",
    b"sibling/file.txt",
    b"up/secret.txt",
    b"root/etc/passwd",
    b"loop",
    b"loop/loop/app.js",
    b"dangling",
    b"inside.txt",
    b"linked/",
    b"linked/index.html",
    b"pipe",
    b"socket",
    b"folder.txt",
    b"~/secret.txt",
    b"~root/.profile",
    b"$HOME/secret.txt",
    b"%24HOME",
    b"*",
    b"*.txt",
    b"a" * 300,
    b"%61" * 300,
    b"%c3%a9" * 200,
    b"a/" * 2000,
    b"docs/" * 500 + b"page.html",
    b"%ff%fe",
    b"%ed%a0%80",
]
"""What stands behind `/static/` in the request line."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_site(tmp_path_factory.mktemp("attacked"))


def apps(root: Path) -> dict[bytes, AnyApp]:
    """The folder by the prefix it is mounted at; the last stands alone."""
    under, top = App(), App()
    under.mount("/static", StaticFiles(root))
    top.mount("/", StaticFiles(root))
    return {b"/static/": under, b"/": top}


async def answer(client: TestClient, target: bytes) -> tuple[int, bytes]:
    """The status and body for a request target, sent as it is."""
    wire = client.connect()
    await wire.send(b"GET " + target + b" HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    head, _, body = (await wire.receive_rest()).partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), body


async def test_no_spelling_leads_out(root: Path) -> None:
    for prefix, app in apps(root).items():
        async with TestClient(app, lifespan="off") as client:
            wrong: list[object] = []
            for attack in ATTACKS:
                status, body = await answer(client, prefix + attack)
                # Control characters and the like are refused before any application is asked.
                if status not in (404, 400) or SECRET in body or body in SERVED or (status == 400 and b"\\" not in attack):
                    wrong.append((prefix + attack, status, body[:80]))
            assert wrong == []


async def test_the_files_themselves_are_served_beside_all_this(root: Path) -> None:
    for prefix, app in apps(root).items():
        async with TestClient(app, lifespan="off") as client:
            assert await answer(client, prefix + b"app.js") == (200, PUBLIC["app.js"])
            assert await answer(client, prefix + b"%61pp.js") == (200, PUBLIC["app.js"])
            assert await answer(client, prefix + b"docs/deep/er/file.txt") == (200, b"deep")
            assert await answer(client, prefix + b".well-known/security.txt") == (200, b"contact")
            # An escape of an escape is a name: decoded once, it is looked up as it is.
            assert await answer(client, prefix + b"%252e%252e") == (200, PUBLIC["%2e%2e"])


async def test_following_links_leads_in_and_never_out(root: Path) -> None:
    app = App()
    app.mount("/static", StaticFiles(root, follow_symlinks=True, dotfiles=False))
    async with TestClient(app, lifespan="off") as client:
        for name in (
            b"out.txt",
            b"absolute.txt",
            b"sibling/file.txt",
            b"up/secret.txt",
            b"root/etc/passwd",
            b"loop",
            b"linked/",
            b"hidden.txt",
        ):
            assert (await answer(client, b"/static/" + name))[0] == 404
        assert await answer(client, b"/static/inside.txt") == (200, PUBLIC["docs/page.html"])


async def test_what_is_hidden_stays_hidden_under_every_method_that_reads(root: Path) -> None:
    async with TestClient(StaticFiles(root)) as client:
        for name in (*HIDDEN, "out.txt", "sibling/file.txt"):
            for headers in ({}, {"range": "bytes=0-3"}, {"if-none-match": "*"}, {"accept": "text/event-stream"}):
                if "\n" not in name:
                    assert (await client.get(f"/{name}", headers=headers)).status == 404
                    assert (await client.head(f"/{name}", headers=headers)).status == 404


TARGETS = st.lists(
    st.one_of(
        st.sampled_from([*DOTS, *SLASHES, b"docs", b"app.js", b"secret.txt", b"sibling", b"up", b"?", b"out.txt", b"%"]),
        st.binary(max_size=6),
    ),
    max_size=8,
).map(b"".join)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(targets=st.lists(TARGETS, min_size=5, max_size=15))
async def test_no_target_whatsoever_gets_more_than_a_public_file(root: Path, targets: list[bytes]) -> None:
    async with TestClient(apps(root)[b"/static/"], lifespan="off") as client:
        for target in targets:
            line = bytes(byte for byte in target if byte not in b" \r\n#")
            status, body = await answer(client, b"/static/" + line)
            assert status in (200, 308, 400, 404)
            assert status != 200 or body in SERVED
