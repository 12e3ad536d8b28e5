"""A folder to be served, with everything around and inside it that must not be."""

import os
import socket
from pathlib import Path

SECRET = b"this must never be served"

PUBLIC: dict[str, bytes] = {
    "index.html": b"<h1>home</h1>",
    "app.js": b"let a = 1;\n" * 200,
    "data.bin": bytes(range(256)) * 400,
    "empty.txt": b"",
    "100% real.txt": b"percent",
    "%2e%2e": b"an escape that is a name",
    "Grüße.txt": b"umlauts",
    "..double": b"a dotfile, by its first letter",
    "a:b": b"a drive, by its first two",
    "docs/index.html": b"<h1>docs</h1>",
    "docs/page.html": b"<p>page</p>",
    "docs/deep/er/file.txt": b"deep",
    "plain/file.txt": b"no index here",
    ".well-known/security.txt": b"contact",
}
"""What lies in the folder, by its path there. Two of the names are not served."""

SERVED = {content for name, content in PUBLIC.items() if name not in ("..double", "a:b")}

HIDDEN = (".env", ".git/config", "docs/.htpasswd", ".well-known/.secret", "ends.", "ends ", "back\\slash", "line\nbreak")
"""What lies in the folder and is not served: dotfiles, and names that some system reads as others."""


def make_site(place: Path) -> Path:
    """The folder `public` in `place`: beside it secrets, in it links to them, and things that are no files."""
    root = place / "public"
    for name, content in PUBLIC.items():
        write(root / name, content)
    for name in HIDDEN:
        write(root / name, SECRET)
    write(place / "secret.txt", SECRET)
    write(place / "public-secret" / "file.txt", SECRET)  # the same beginning, another folder
    links = {
        "out.txt": "../secret.txt",
        "absolute.txt": str(place / "secret.txt"),
        "sibling": "../public-secret",
        "up": "..",
        "root": "/",
        "loop": "loop",
        "dangling": "nowhere",
        "hidden.txt": ".env",
        "inside.txt": "docs/page.html",
        "inside": "docs",
        "absolute-inside": str(root / "docs"),
        "detour.txt": "../public/app.js",
    }
    for name, target in links.items():
        (root / name).symlink_to(target)
    (root / "linked").mkdir()
    (root / "linked" / "index.html").symlink_to("../../secret.txt")
    os.mkfifo(root / "pipe")
    (root / "folder.txt").mkdir()
    here = os.getcwd()
    os.chdir(root)  # the path of a socket has at most a hundred bytes
    try:
        with socket.socket(socket.AF_UNIX) as left:
            left.bind("socket")
    finally:
        os.chdir(here)
    return root


def write(path: Path, content: bytes) -> None:
    """A file with its folders, last changed at a fixed time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (1_700_000_000, 1_700_000_000))
