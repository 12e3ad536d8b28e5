"""Uploaded files: what the client sent, and a name for it that cannot become somebody else's path."""

import os
import re
import unicodedata
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import anyio.to_thread

from pagi.http.media_types import InvalidMediaType, parse_media_type
from pagi.messages.bad_body import BadBody

NAMELESS = "upload"
"""What a file is called of whose name nothing is left."""

_MOST_NAME_BYTES = 255
"""How long a name may be on the file systems there are."""

_SEPARATORS = re.compile(r"[/\\]")
_UNSAFE = re.compile(r'[<>:"|?*]')
# Windows opens a device by these, whatever the ending.
_RESERVED = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(?= *(?:\.|$))", re.IGNORECASE)


class UploadFile:
    """A file of a multipart form, whole and in memory.

    `filename`, `content_type` and `headers` are the client's own words: never take them for a path, or for the truth.
    """

    __slots__ = ("content_type", "data", "filename", "headers")

    def __init__(
        self, data: bytes, *, filename: str = "", content_type: str = "application/octet-stream", headers: Mapping[str, str] | None = None
    ) -> None:
        self.data = data
        self.filename = filename
        """What the client calls it: anything at all. For a name on a disk take `safe_name`."""
        self.content_type = content_type
        """The type that the client gives, without parameters."""
        self.headers: Mapping[str, str] = headers or {}
        """The header fields of the part, by names in lower case."""

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return len(self.data)

    @property
    def safe_name(self) -> str:
        """See `safe_name`."""
        return safe_name(self.filename)

    async def read(self) -> bytes:
        """All of it."""
        return self.data

    async def text(self) -> str:
        """All of it as text, in the charset its type names, else UTF-8.

        Raises:
            BadBody: the bytes are not of that charset, or nobody knows it.
        """
        try:
            charset = parse_media_type(self.headers.get("content-type", "")).charset or "utf-8"
        except InvalidMediaType:
            charset = "utf-8"
        try:
            return self.data.decode(charset)
        except (ValueError, LookupError) as error:
            raise BadBody(f"the file {self.filename[:100]!r} is no text in {charset}: {error}") from error

    async def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Writes it to a file that only this user may read, in a worker thread, and returns its path.

        Raises:
            ValueError: the client's file name stands in `path` as it came and would lead elsewhere.
            FileExistsError: there is one already, or a link of that name; pass `overwrite=True` to replace it.
            OSError: it cannot be written. Nothing half written is left.
        """
        target = Path(path)
        if ".." in target.parts or (_SEPARATORS.search(self.filename) and os.fspath(path).endswith(self.filename)):
            raise ValueError(f"{os.fspath(path)!r} may lead anywhere; give a directory of yours and upload.safe_name")
        await anyio.to_thread.run_sync(partial(_write, target, self.data, overwrite))
        return target

    def __repr__(self) -> str:
        return f"UploadFile({self.filename!r}, {self.content_type!r}, {self.size} bytes)"


def safe_name(filename: str) -> str:
    """A client's file name made fit for a directory of ours: no path, no controls, not hidden, no device, not too long.

    Two files may come to one name. The ending stays, and says nothing about the content.

    >>> safe_name("../../etc/passwd"), safe_name(r"C:\\\\boot.ini"), safe_name(".htaccess"), safe_name("nul.txt"), safe_name("..")
    ('passwd', 'boot.ini', 'htaccess', '_nul.txt', 'upload')
    """
    name = _SEPARATORS.split(unicodedata.normalize("NFC", filename))[-1]
    # Controls, what turns the direction of writing, surrogates and private characters; and every kind of space as one.
    name = "".join(" " if unicodedata.category(char).startswith("Z") else char for char in name if unicodedata.category(char)[0] != "C")
    name = _UNSAFE.sub("_", name).lstrip(". ").rstrip(". ")
    if _RESERVED.match(name):
        name = f"_{name}"
    return _shortened(name) or NAMELESS


def _shortened(name: str) -> str:
    """The name within the limit of bytes; what goes is taken from before the ending."""
    if len(name.encode()) <= _MOST_NAME_BYTES:
        return name
    stem, ending = os.path.splitext(name)
    if len(ending.encode()) > _MOST_NAME_BYTES // 2:
        stem, ending = name, ""
    room = _MOST_NAME_BYTES - len(ending.encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(". ") + ending


def _write(target: Path, data: bytes, overwrite: bool) -> None:
    written = target.with_name(f".{os.urandom(8).hex()}.part") if overwrite else target
    # A new file and nothing else: O_EXCL follows no link, either.
    descriptor = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        if overwrite:
            os.replace(written, target)
    except BaseException:
        written.unlink(missing_ok=True)
        raise
