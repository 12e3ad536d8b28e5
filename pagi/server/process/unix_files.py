"""Unix sockets have files: made for those who may connect and for no moment for others, and removed by whoever made them."""

import os
import socket
import stat

import msgspec

PROBE_SECONDS = 1.0
"""How long whoever listens on a file may take to answer, before it is taken for a server that is busy."""


class UnixFile(msgspec.Struct, frozen=True):
    """One file at one time. Another may have its path later, and even its inode number, but was not made at the same moment."""

    path: str
    device: int
    inode: int
    made_at_ns: int

    @classmethod
    def at(cls, path: str) -> "UnixFile | None":
        """The file of a socket at this path; None where there is nothing, or something else."""
        try:
            found = os.lstat(path)
        except OSError:
            return None
        return cls(os.path.abspath(path), found.st_dev, found.st_ino, found.st_mtime_ns) if stat.S_ISSOCK(found.st_mode) else None

    def remove(self) -> bool:
        """Removes it, unless another has taken its place, as that of a server that was started in the meantime."""
        if UnixFile.at(self.path) != self:
            return False
        os.unlink(self.path)
        return True


def bind_unix(opened: socket.socket, path: str, mode: int | None) -> UnixFile | None:
    """Binds a socket to a path, in the place of a file that nobody listens on any more. Without a `mode` the umask decides.

    Raises:
        OSError: something else is at the path, or the path cannot be.
        InUse: another server listens there.
    """
    stale = UnixFile.at(path)
    if stale is not None:
        _demand_silence(path)
        stale.remove()
    if mode is None:
        opened.bind(path)
    else:
        # Not `chmod` alone: whoever connects between the two would be served for as long as it likes.
        before = os.umask(0o177)
        try:
            opened.bind(path)
        finally:
            os.umask(before)
        os.chmod(path, mode)
    return UnixFile.at(path)


class InUse(Exception):
    """A server answers at the path, or may do so. The message says what is known."""


def _demand_silence(path: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_SECONDS)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return
        except FileNotFoundError:
            return  # its server has just ended in order
        except OSError as error:
            raise InUse(f"nobody could be asked whether another server listens there: {error.strerror or error}") from error
    raise InUse("another server listens there")
