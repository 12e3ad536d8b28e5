"""Sockets that this process was started with: by systemd (sd_listen_fds(3)), or by whoever else holds them for us."""

import logging
import os
import socket
from collections.abc import Callable, MutableMapping, Sequence
from contextlib import suppress

from pagi.http.errors import ConfigError

log = logging.getLogger("pagi.server")

FIRST = 3
MOST = 1000
VARIABLES = ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "LISTEN_PIDFDID")
"""What systemd says in. They are meant for this process alone: a child that found them would take its own descriptors for sockets."""

SERVED = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)


class NotListening(ConfigError):
    """A descriptor is no socket that connections can be accepted from. The message says why."""


class Passed:
    """Sockets with the names they were passed under, each to be taken once."""

    def __init__(self, sockets: Sequence[tuple[str, socket.socket]] = ()) -> None:
        self._sockets = list(sockets)

    @classmethod
    def by_systemd(cls, environ: MutableMapping[str, str]) -> "Passed":
        """The sockets that `environ` tells of, if it speaks to this process. Its variables are gone afterwards, whatever they say."""
        count, pid, names, _ = (environ.pop(variable, "") for variable in VARIABLES)
        if pid != str(os.getpid()) or not count.isdecimal() or int(count) > MOST:
            return cls()
        named = names.split(":") if names else []
        found: list[tuple[str, socket.socket]] = []
        for place in range(int(count)):
            try:
                opened = adopted(FIRST + place)
            except NotListening as error:
                log.warning("systemd passed something else than a listening socket, which is left alone: %s", error)
                continue
            found.append((named[place] if place < len(named) else "unknown", opened))
        return cls(found)

    def add(self, sockets: Sequence[socket.socket]) -> None:
        """Some more, that we held already before we were started anew."""
        self._sockets += [("inherited", opened) for opened in sockets]

    def __len__(self) -> int:
        return len(self._sockets)

    def take_all(self) -> list[socket.socket]:
        """All that are left."""
        taken, self._sockets = [opened for _, opened in self._sockets], []
        return taken

    def take_named(self, name: str) -> list[socket.socket]:
        """Those that were passed under this name (`FileDescriptorName=`)."""
        taken = [opened for known, opened in self._sockets if known == name]
        self._sockets = [pair for pair in self._sockets if pair[0] != name]
        return taken

    def take_at(self, family: int, host: str, port: int) -> socket.socket | None:
        """The one that listens at this address; for a wildcard also one that listens there in both families."""
        return self._take(lambda opened: serves(opened, family, host, port))

    def take_path(self, path: str) -> socket.socket | None:
        """The Unix socket that was bound to this path."""
        wanted = os.path.abspath(path)
        return self._take(lambda opened: opened.family == socket.AF_UNIX and os.path.abspath(opened.getsockname()) == wanted)

    def take_descriptor(self, descriptor: int) -> socket.socket | None:
        """The one that has this number."""
        return self._take(lambda opened: opened.fileno() == descriptor)

    def leave(self) -> None:
        """Leaves alone what is left: it is somebody else's."""
        for opened in self.take_all():
            opened.detach()

    def close(self) -> None:
        """Closes what is left."""
        for opened in self.take_all():
            opened.close()

    def names(self) -> list[str]:
        """The names of those that are left."""
        return [name for name, _ in self._sockets]

    def _take(self, fits: Callable[[socket.socket], bool]) -> socket.socket | None:
        for pair in self._sockets:
            if fits(pair[1]):
                self._sockets.remove(pair)
                return pair[1]
        return None


def serves(opened: socket.socket, family: int, host: str, port: int) -> bool:
    """Whether who connects to this address reaches this socket already."""
    if opened.family == socket.AF_UNIX:
        return False
    at = opened.getsockname()
    if at[1] != port:
        return False
    if opened.family == family:
        return bool(at[0] == host)
    is_for_both = opened.family == socket.AF_INET6 and not opened.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
    return is_for_both and at[0] == "::" and host == "0.0.0.0"  # noqa: S104 (compared, not bound)


def adopted(descriptor: int, backlog: int = 2048) -> socket.socket:
    """The listening socket behind a descriptor, not blocking, and not for our children. One that is only bound begins to listen.

    Raises:
        NotListening: it is closed, no socket, not of a kind that is served here, a connection, or bound to nothing.
    """
    try:
        opened = socket.socket(fileno=descriptor)
    except OSError as error:
        raise NotListening(f"descriptor {descriptor}: {error.strerror}") from error
    try:
        problem = _problem(opened)
        if problem is None:
            if not _listens(opened):
                opened.listen(backlog)
            opened.setblocking(False)
            opened.set_inheritable(False)
            return opened
    except OSError as error:
        problem = f"cannot listen: {error.strerror}"
    opened.detach()  # it is not ours to close
    raise NotListening(f"descriptor {descriptor} {problem}")


def _problem(opened: socket.socket) -> str | None:
    if opened.family not in SERVED:
        return "is a socket of a family that is not served here"
    if opened.type != socket.SOCK_STREAM:
        return "is no stream socket"
    if _listens(opened):
        return None
    with suppress(OSError):
        opened.getpeername()
        return "is a connection, not a listening socket (systemd: Accept=no)"
    name = opened.getsockname()
    return None if name and (opened.family == socket.AF_UNIX or name[1]) else "is bound to nothing"


def _listens(opened: socket.socket) -> bool:
    return bool(opened.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
