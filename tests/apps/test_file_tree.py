"""From a path that a stranger wrote to an open file: nothing leads out, and what is in the way is not gone through."""

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pagi.apps.file_tree import FileTree
from tests.apps.site import HIDDEN, PUBLIC, SECRET, SERVED, make_site


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_site(tmp_path_factory.mktemp("tree"))


def content(tree: FileTree, path: str) -> bytes | None:
    """What a path gives; None where it gives nothing."""
    names = tree.names_of(path)
    opened = tree.open(names) if names is not None else None
    if opened is None:
        return None
    with opened.file as file:
        return file.read()


@pytest.mark.parametrize("name", [name for name in PUBLIC if PUBLIC[name] in SERVED])
def test_a_file_is_found_by_its_name(root: Path, name: str) -> None:
    assert content(FileTree(root), f"/{name}") == PUBLIC[name]


@pytest.mark.parametrize(
    "path",
    [
        "/..",
        "/.",
        "/../secret.txt",
        "/../public/app.js",
        "/docs/../app.js",
        "/docs/../../secret.txt",
        "/./app.js",
        "/docs/./page.html",
        "//app.js",
        "//",
        "/docs//page.html",
        "/docs/page.html//",
        "//etc/passwd",
        "/...",
        "/..double",
        "/..\\secret.txt",
        "\\..\\secret.txt",
        "/docs\\page.html",
        "/back\\slash",
        "/app.js\0",
        "/app.js\0.html",
        "/\0",
        "/line\nbreak",
        "/app.js\x7f",
        "/ends.",
        "/ends ",
        "/app.js.",
        "/app.js ",
        "/docs./page.html",
        "/C:/windows",
        "/c:",
        "/a:b",
        "/docs/C:secret",
        *(f"/{name}" for name in HIDDEN),
        "/.git",
        "/docs/.well-known",
    ],
)
def test_a_name_that_means_anything_but_itself_is_refused(root: Path, path: str) -> None:
    assert FileTree(root).names_of(path) is None


@pytest.mark.parametrize("raw", [b"/docs%2fpage.html", b"/docs%2Fpage.html", b"/docs%5cpage.html", b"/..%5C..%5c", b"/app.js%00"])
def test_a_separator_that_was_hidden_is_refused(root: Path, raw: bytes) -> None:
    assert FileTree(root).names_of("/docs/page.html", raw) is None
    assert FileTree(root).names_of("/docs/page.html", b"/docs/page.html") == ("docs", "page.html")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/missing.txt",
        "/docs",
        "/docs/",
        "/app.js/app.js",
        "/%252e%252e/secret.txt",
        "/%2e%2e/secret.txt",
        "/~root/secret.txt",
        "/" + "a" * 256,
        "/" + "a" * 100_000,
        "/" + "a/" * 5_000,
        "/" + "é" * 200,
        "/pipe",
        "/socket",
        "/folder.txt",
        "/\ud800",
        "/*",
        "/app.j?",
    ],
)
def test_what_is_no_file_is_nothing(root: Path, path: str) -> None:
    for tree in (FileTree(root), FileTree(root, follow_symlinks=True), FileTree(root, dotfiles=True)):
        assert content(tree, path) is None


@pytest.mark.parametrize(
    ("path", "followed"),
    [
        ("/out.txt", None),
        ("/absolute.txt", None),
        ("/sibling/file.txt", None),
        ("/up/secret.txt", None),
        ("/up/public/app.js", PUBLIC["app.js"]),
        ("/root/etc/passwd", None),
        ("/loop", None),
        ("/loop/app.js", None),
        ("/dangling", None),
        ("/linked/index.html", None),
        ("/hidden.txt", None),
        ("/inside.txt", PUBLIC["docs/page.html"]),
        ("/inside/page.html", PUBLIC["docs/page.html"]),
        ("/absolute-inside/page.html", PUBLIC["docs/page.html"]),
        ("/detour.txt", PUBLIC["app.js"]),
    ],
)
def test_links_are_followed_only_if_asked_for_and_never_out(root: Path, path: str, followed: bytes | None) -> None:
    assert content(FileTree(root), path) is None
    assert content(FileTree(root, follow_symlinks=True), path) == followed


def test_a_link_to_a_dotfile_shows_it_only_where_dotfiles_are_shown(root: Path) -> None:
    assert content(FileTree(root, follow_symlinks=True, dotfiles=True), "/hidden.txt") == SECRET


def test_dotfiles_are_served_where_they_may_be(root: Path) -> None:
    tree = FileTree(root, dotfiles=True)
    assert content(tree, "/.git/config") == SECRET
    assert content(tree, "/..double") == PUBLIC["..double"]
    assert [tree.names_of(path) for path in ("/..", "/.", "/../secret.txt", "/ends.")] == [None] * 4


def test_the_root_itself_may_be_a_link_and_may_be_replaced(tmp_path: Path) -> None:
    for release in ("one", "two"):
        (tmp_path / release).mkdir()
        (tmp_path / release / "file.txt").write_text(release)
    current = tmp_path / "current"
    for follow in (False, True):
        current.symlink_to("one")
        tree = FileTree(current, follow_symlinks=follow)
        assert content(tree, "/file.txt") == b"one"
        current.unlink()
        current.symlink_to("two")
        assert content(tree, "/file.txt") == b"two"
        current.unlink()


def test_a_relative_root_is_that_of_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "public").mkdir()
    (tmp_path / "public" / "a.txt").write_text("a")
    monkeypatch.chdir(tmp_path)
    tree = FileTree("public")
    monkeypatch.chdir("/")
    assert content(tree, "/a.txt") == b"a"


def test_a_root_that_is_gone_is_told_and_serves_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tree = FileTree(tmp_path / "none")
    assert content(tree, "/a.txt") is None
    assert f"the folder {tmp_path / 'none'} cannot be opened" in caplog.text


# ---- races and failures


def meddling(monkeypatch: pytest.MonkeyPatch, name: str, after: Callable[[], None]) -> None:
    """Lets `after` happen just behind the next call of that name by the tree, as another process could."""
    real: Any = getattr(os, name)
    calls: list[None] = []

    def meddled(*args: Any, **options: Any) -> Any:
        result = real(*args, **options)
        if not calls:
            calls.append(None)
            after()
        return result

    monkeypatch.setattr(os, name, meddled)


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A site that the test may change."""
    return make_site(tmp_path)


@pytest.mark.parametrize("follow", [False, True])
def test_a_file_that_becomes_a_link_behind_the_look_is_not_followed(own: Path, monkeypatch: pytest.MonkeyPatch, follow: bool) -> None:
    def swap() -> None:
        (own / "app.js").unlink()
        (own / "app.js").symlink_to("../secret.txt")

    meddling(monkeypatch, "stat", swap)
    assert content(FileTree(own, follow_symlinks=follow), "/app.js") is None


def test_a_folder_that_becomes_a_link_behind_the_resolving_is_not_followed(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (own.parent / "public-secret" / "page.html").write_bytes(SECRET)
    real = os.path.realpath

    def realpath(path: str) -> str:
        resolved = real(path)
        if path.endswith("page.html"):
            (own / "docs").rename(own / "was-docs")
            (own / "docs").symlink_to("../public-secret")
        return resolved

    monkeypatch.setattr(os.path, "realpath", realpath)
    assert content(FileTree(own, follow_symlinks=True), "/docs/page.html") is None


def test_a_folder_that_moves_out_while_it_is_walked_shows_what_it_held(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def swap() -> None:
        (own / "docs").rename(own.parent / "elsewhere")
        (own / "docs").symlink_to("../public-secret")

    (own.parent / "public-secret" / "page.html").write_bytes(SECRET)
    meddling(monkeypatch, "stat", swap)
    assert content(FileTree(own), "/docs/page.html") == PUBLIC["docs/page.html"]


def test_a_file_that_becomes_a_pipe_behind_the_look_is_not_waited_for(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def swap() -> None:
        (own / "app.js").unlink()
        os.mkfifo(own / "app.js")

    meddling(monkeypatch, "stat", swap)
    assert content(FileTree(own), "/app.js") is None


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.ENAMETOOLONG])
def test_what_may_not_be_read_is_not_there(root: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    refuse_app_js(monkeypatch, number)
    assert content(FileTree(root), "/app.js") is None


@pytest.mark.parametrize("number", [errno.EMFILE, errno.EIO, errno.ENOMEM])
def test_a_machine_in_trouble_is_no_missing_file(root: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    refuse_app_js(monkeypatch, number)
    with pytest.raises(OSError) as caught:
        content(FileTree(root), "/app.js")
    assert caught.value.errno == number


def refuse_app_js(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    real = os.open

    def refusing(path: str, flags: int, *, dir_fd: int | None = None) -> int:
        if path == "app.js":
            raise OSError(number, os.strerror(number))
        return real(path, flags, dir_fd=dir_fd)

    monkeypatch.setattr(os, "open", refusing)


def test_no_descriptor_is_left_open(root: Path) -> None:
    before = set(os.listdir("/dev/fd"))
    tree, following = FileTree(root), FileTree(root, follow_symlinks=True)
    for path in ("/app.js", "/docs/deep/er/file.txt", "/pipe", "/out.txt", "/sibling/file.txt", "/missing", "/docs", "/" + "a" * 256):
        content(tree, path)
        content(following, path)
    assert set(os.listdir("/dev/fd")) == before


# ---- whatever anybody writes

PIECES = st.sampled_from(
    [
        "/", "//", "\\", ".", "..", "...", "%2e", "%2e%2e", "%2f", "%5c", "%00", "\0", "~", ":", "C:", " ", "\n", "\ud800",
        "app.js", "docs", "page.html", "index.html", "deep", "secret.txt", "public", "public-secret", "file.txt", "..double",
        "out.txt", "absolute.txt", "sibling", "up", "root", "etc", "passwd", "inside", "linked", "loop", "pipe", "socket",
        ".env", ".git", "config", ".well-known", "security.txt", "hidden.txt",
    ]
)  # fmt: skip


@given(st.one_of(st.text(max_size=40), st.lists(PIECES, max_size=12).map("".join), st.lists(PIECES, max_size=8).map("/".join)))
def test_no_path_whatsoever_leads_out(root: Path, path: str) -> None:
    for tree in (FileTree(root), FileTree(root, follow_symlinks=True)):
        for spelled in (path, f"/{path}", f"/docs/{path}"):
            found = content(tree, spelled)
            assert found is None or found in SERVED
