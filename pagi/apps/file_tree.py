"""The files below one folder: from a path that a stranger wrote to an open file, or to nothing. No path leads out.

Four rules, each enough against most tricks and none against all:

1. A path is cut into names, and a name that means anything but itself is refused: `..`, an empty one, one with a backslash or a
   NUL, a drive letter, a trailing dot. Nothing is decoded here, so an escape that is left is part of a name.
2. From the folder inwards each name is opened relative to the one before, and never through a symbolic link. There is no moment
   between a check and its use in which somebody could put a link in the way.
3. With `follow_symlinks` the links are resolved first, the result must lie below the folder, and is then opened by rule 2.
4. What was opened is looked at again: only a regular file is served, and it is the open file that leaves, not its name.
"""

import errno
import logging
import os
import re
import stat
from collections.abc import Sequence
from io import FileIO
from pathlib import Path

log = logging.getLogger("pagi.apps")

Names = tuple[str, ...]
"""A path in its parts, from the folder inwards."""

WELL_KNOWN = ".well-known"
"""Made to be public, dot or not (RFC 8615), at the root."""

# A colon alone stands in many a name; behind one letter it is a drive. Windows drops trailing dots and spaces.
_UNSERVED = re.compile(r"[\x00-\x1f\x7f\\/]|\A[A-Za-z]:|[. ]\Z|\A\Z")
_ESCAPED_SEPARATOR = re.compile(rb"%2f|%5c|%00", re.IGNORECASE)

# What it looks like when a path leads nowhere, or nowhere we go. Everything else (no descriptors, a broken disk) is a failure.
_ABSENT = frozenset(
    {
        errno.ENOENT,
        errno.ENOTDIR,
        errno.ELOOP,
        errno.EMLINK,
        errno.ENAMETOOLONG,
        errno.EACCES,
        errno.EPERM,
        errno.EINVAL,
        errno.EILSEQ,
        errno.ENXIO,
        errno.ENODEV,
    }
)

_LOOK: int = getattr(os, "O_PATH", os.O_RDONLY)
_FOLDER = os.O_DIRECTORY | os.O_NOFOLLOW | _LOOK
# Not to be held up by a pipe that nobody writes to, in the moment between looking and opening.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY


class OpenFile:
    """A regular file, open, and what it was when it was opened."""

    __slots__ = ("file", "found", "names")

    def __init__(self, file: FileIO, found: os.stat_result, names: Names) -> None:
        self.file = file
        self.found = found
        self.names = names

    def close(self) -> None:
        """Closes it, where it is not to be sent."""
        self.file.close()


class FileTree:
    """The files below `root`. The folder is looked up at each request, so it may be replaced while the application runs."""

    def __init__(self, root: str | Path, *, follow_symlinks: bool = False, dotfiles: bool = False) -> None:
        self.root = os.path.abspath(root)
        self._follow_symlinks = follow_symlinks
        self._dotfiles = dotfiles

    def names_of(self, path: str, raw_path: bytes = b"") -> Names | None:
        """The parts of a decoded path, without a slash at its end; None where one of them is not served, whatever it is.

        `raw_path` is the path before it was decoded, as far as it is known: a slash that was hidden in it is refused as well.
        """
        if _ESCAPED_SEPARATOR.search(raw_path):
            return None
        path = path.removeprefix("/")
        names = tuple(path.removesuffix("/").split("/")) if path else ()
        return names if self._are_served(names) else None

    def open(self, names: Names) -> OpenFile | None:
        """The regular file of that name; None where there is none, or it may not be served.

        Raises:
            OSError: something is wrong with the machine.
        """
        try:
            inside = self._resolved(names) if self._follow_symlinks else names
            return self._opened(inside, names) if inside else None
        except ValueError:  # no name that this system could have: lone surrogates
            return None
        except OSError as error:
            if error.errno not in _ABSENT:
                raise
            log.debug("%r of %s is not served: %s", "/".join(names), self.root, error.strerror)
            return None

    def _are_served(self, names: Sequence[str]) -> bool:
        if any(_UNSERVED.search(name) for name in names):
            return False
        return self._dotfiles or not any(name[0] == "." for name in (names[1:] if names[:1] == (WELL_KNOWN,) else names))

    def _resolved(self, names: Names) -> Names | None:
        """Where the links on the way lead, as names below the root; None where that is outside, or not served itself."""
        root = os.path.realpath(self.root)
        real = os.path.realpath(os.path.join(root, *names))
        inside = tuple(os.path.relpath(real, root).split("/"))
        if self._are_served(inside):
            return inside
        # Outside, the first of them is `..`.
        log.debug("%r of %s is not served: the links on the way lead to %r", "/".join(names), self.root, real)
        return None

    def _opened(self, inside: Names, names: Names) -> OpenFile | None:
        folder = self._root_folder()
        try:
            for name in inside[:-1]:
                inner = os.open(name, _FOLDER, dir_fd=folder)
                os.close(folder)
                folder = inner
            last = inside[-1]
            # Opening is an act for some things, like a tape or a pipe, so they are known before. The second look is the one that counts.
            if not stat.S_ISREG(os.stat(last, dir_fd=folder, follow_symlinks=False).st_mode):
                return None
            descriptor = os.open(last, _FILE, dir_fd=folder)
        finally:
            os.close(folder)
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            os.close(descriptor)
            return None
        return OpenFile(FileIO(descriptor), found, names)

    def _root_folder(self) -> int:
        try:
            return os.open(self.root, os.O_DIRECTORY | _LOOK)
        except OSError as error:
            log.warning("the folder %s cannot be opened, and nothing of it is served: %s", self.root, error.strerror)
            raise
