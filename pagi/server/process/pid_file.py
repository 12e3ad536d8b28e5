"""A file that holds a process id for those who send signals. It is locked for as long as that process lives, so a stale one is known."""

import fcntl
import os
from contextlib import suppress
from pathlib import Path

from pagi.http.errors import ConfigError

MOST_BYTES = 64


class PidFileRefused(ConfigError):
    """The file cannot be ours. The message says why."""


class PidFile:
    """An open, locked file. The lock belongs to the descriptor: whoever inherits that holds it too."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.descriptor = descriptor

    @classmethod
    def take(cls, path: Path) -> "PidFile":
        """Opens and locks the file, which is made where there is none. One that was left behind is taken over.

        Raises:
            PidFileRefused: a running process holds it, it is no such file, or it cannot be written.
        """
        try:
            while True:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
                try:
                    if _lock(descriptor, path) and _is_at(descriptor, path):
                        return cls(path, descriptor)
                except BaseException:
                    os.close(descriptor)
                    raise
                os.close(descriptor)  # who held it has just removed it: another try makes a new one
        except OSError as error:
            raise PidFileRefused(f"the pid file {path} cannot be written: {error.strerror}") from error

    def write(self) -> None:
        """Puts our process id into it."""
        text = b"%d\n" % os.getpid()
        os.pwrite(self.descriptor, text, 0)
        os.ftruncate(self.descriptor, len(text))

    @property
    def is_there(self) -> bool:
        """It is what stands at its path."""
        return _is_at(self.descriptor, self.path)

    @property
    def is_ours(self) -> bool:
        """It holds our process id: nobody else is in charge yet."""
        return os.pread(self.descriptor, MOST_BYTES, 0).strip() == b"%d" % os.getpid()

    def remove(self) -> None:
        """Removes it, if it is still the one that we took, and lets go. Where that is not allowed any more, it is emptied."""
        if self.is_there:
            try:
                self.path.unlink()
            except OSError:
                os.ftruncate(self.descriptor, 0)
        self.let_go()

    def let_go(self) -> None:
        """Leaves it to whoever inherited it."""
        os.close(self.descriptor)


def _lock(descriptor: int, path: Path) -> bool:
    held = os.pread(descriptor, MOST_BYTES, 0).strip()
    if held and not held.isdigit():
        raise PidFileRefused(f"{path} holds something else than a process id, and is left alone")
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        who = f"process {int(held)} runs and" if held else "a running process"
        raise PidFileRefused(f"{who} holds the pid file {path}; stop it first, or name another file") from None
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(descriptor), os.stat(path, follow_symlinks=False))
    return False
