"""Listening sockets: bound before anything else starts, so that a taken port is found at once."""

import errno
import logging
import os
import socket
from collections.abc import Iterable, Iterator, MutableMapping, Sequence

from pagi.http.errors import ConfigError
from pagi.server.options import ListenOptions
from pagi.server.options.binds import Bind, FDBind, SystemdBind, TCPBind, UnixBind, parse_binds
from pagi.server.options.listening import WAYS, clash
from pagi.server.process.activation import NotListening, Passed, adopted, serves
from pagi.server.process.port_owner import owner_of
from pagi.server.process.unix_files import InUse, UnixFile, bind_unix

log = logging.getLogger("pagi.server")

NO_SUCH_FAMILY = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)


class CannotListen(ConfigError):
    """An address could not be bound. The message says which, why, and what may help."""


class Listeners:
    """Sockets that listen, not blocking, and the files of those Unix sockets among them that were bound for it."""

    def __init__(self, sockets: Iterable[socket.socket] = ()) -> None:
        self.sockets = list(sockets)
        self.files: list[UnixFile] = []

    def keep_files(self) -> None:
        """The files stay: another process listens on these very sockets, and will be asked for at these paths."""
        self.files.clear()

    def close(self) -> None:
        """Closes what the loop has not closed, and removes the files, where they are still those that were made."""
        for opened in self.sockets:
            opened.close()
        for file in self.files:
            file.remove()
        self.files.clear()


def open_listeners(
    options: ListenOptions, environ: MutableMapping[str, str] | None = None, inherited: Sequence[socket.socket] = ()
) -> Listeners:
    """Listens at every address that the options name.

    With `environ` the process is ours: sockets that systemd passed are used in place of binding their addresses, and alone where no
    option says where to listen; its variables are taken out. Without, it is asked only for what `bind` wants from it. Those that were
    `inherited` from a predecessor are used in place of binding their addresses, too.

    Raises:
        CannotListen: an address is taken, forbidden or unknown, or no socket was passed for it.
        ConfigError: the options contradict each other, or name what is no address.
    """
    binds, is_default = _binds(options)
    wants_passed = any(isinstance(bind, SystemdBind) or (isinstance(bind, FDBind) and isinstance(bind.fd, str)) for bind in binds)
    passed = Passed.by_systemd(os.environ if environ is None else environ) if wants_passed or environ is not None else Passed()
    if is_default and len(passed):
        binds = [SystemdBind()]
    passed.add(inherited)
    opening = _Opening(options, passed)
    try:
        for bind in binds:
            opening.add(bind)
    except BaseException:
        opening.listeners.close()
        raise
    if environ is None:
        passed.leave()
    elif len(passed):
        log.warning("sockets were passed to us that no address asks for, and they are closed: %s", ", ".join(passed.names()))
        passed.close()
    return opening.listeners


def _binds(options: ListenOptions) -> tuple[list[Bind], bool]:
    """Where to listen, and whether that is only the default."""
    defaults = ListenOptions()
    said = {name for way in WAYS for name in way if getattr(options, name) != getattr(defaults, name)}
    if two := clash(said):
        raise ConfigError(f"{two[0]} and {two[1]} both say where to listen: give one; bind takes several addresses of any kind")
    if options.bind:
        return parse_binds(options.bind), False
    if options.uds is not None:
        return [UnixBind(options.uds)], False
    if options.fd is not None:
        return [FDBind(options.fd)], False
    return [TCPBind(options.host or None, options.port)], not said


class _Opening:
    """Opens one address after the other."""

    def __init__(self, options: ListenOptions, passed: Passed) -> None:
        self._options = options
        self._passed = passed
        self.listeners = Listeners()

    def add(self, bind: Bind) -> None:
        """Listens at one address.

        Raises:
            CannotListen: see `open_listeners`.
        """
        match bind:
            case TCPBind():
                self.listeners.sockets += self._tcp(bind)
            case UnixBind(path):
                self.listeners.sockets.append(self._passed.take_path(path) or self._unix(path))
            case FDBind(fd):
                self.listeners.sockets += self._descriptor(fd)
            case SystemdBind():
                self.listeners.sockets += self._taken(self._passed.take_all(), "systemd passed none, or not to this process")

    def _tcp(self, bind: TCPBind) -> Iterator[socket.socket]:
        """One socket for each address that the host stands for, all on one port."""
        port, found, missing = bind.port, list[socket.socket](), None
        for family, host, rest in _addresses(bind):
            if any(serves(opened, family, host, port) for opened in found):
                continue  # a socket that was passed may be for both families
            try:
                opened = self._passed.take_at(family, host, port) or _bound(family, (host, port, *rest), self._options.backlog)
            except OSError as error:
                if bind.host is None and error.errno in NO_SUCH_FAMILY:
                    missing = error
                    continue  # a machine without IPv6 still has all of its addresses
                raise CannotListen(f"cannot listen on {host} port {port}: {error.strerror}{self._remedy(error, port)}") from error
            # Port 0 is drawn once: every further address listens on the one that was drawn.
            port = opened.getsockname()[1]
            found.append(opened)
            yield opened
        if not found:
            raise CannotListen(f"cannot listen on port {port}: this machine has no address") from missing

    def _unix(self, path: str) -> socket.socket:
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            file = bind_unix(opened, path, self._options.uds_mode)
            if file is not None:
                self.listeners.files.append(file)
            opened.listen(self._options.backlog)
            opened.setblocking(False)
        except (OSError, InUse) as error:
            opened.close()
            raise CannotListen(f"cannot listen on {path!r}: {getattr(error, 'strerror', None) or error}") from error
        return opened

    def _descriptor(self, fd: int | str) -> list[socket.socket]:
        if isinstance(fd, str):
            names = ", ".join(self._passed.names()) or "none, or not to this process"
            return self._taken(self._passed.take_named(fd), f"no socket was passed under the name {fd!r}; systemd passed {names}")
        try:
            return [self._passed.take_descriptor(fd) or adopted(fd, self._options.backlog)]
        except NotListening as error:
            raise CannotListen(f"cannot listen on fd://{fd}: {error}") from error

    def _taken(self, sockets: list[socket.socket], problem: str) -> list[socket.socket]:
        if not sockets:
            raise CannotListen(f"cannot listen on sockets of systemd: {problem}")
        return sockets

    def _remedy(self, error: OSError, port: int) -> str:
        option = "--bind" if self._options.bind else "--port"
        if error.errno == errno.EADDRINUSE:
            owner = owner_of(port)
            who = f"{owner} listens there." if owner else "is another server running there?"
            return f"; {who} Choose another port with {option}, or {'port' if self._options.bind else option} 0 for a free one"
        if error.errno == errno.EACCES:
            return f"; ports below 1024 are the administrator's: choose another with {option}"
        if error.errno == errno.EADDRNOTAVAIL:
            return f"; this machine has no such address: choose another with {'--bind' if self._options.bind else '--host'}"
        return ""


def _addresses(bind: TCPBind) -> Iterator[tuple[int, str, tuple[object, ...]]]:
    """The addresses that a host stands for: family, address, and what IPv6 says behind the port."""
    try:
        found = socket.getaddrinfo(bind.host, bind.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        raise CannotListen(f"host {bind.host!r} is no address: {getattr(error, 'strerror', None) or error}") from error
    for family, _, _, _, address in dict.fromkeys(found):
        if isinstance(address[0], str):  # else it is an IPv6 address on a Python without IPv6
            yield family, address[0], address[2:]


def _bound(family: int, address: tuple[object, ...], backlog: int) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind(address)
        opened.listen(backlog)
        opened.setblocking(False)
    except BaseException:
        opened.close()
        raise
    return opened


def address_of(opened: socket.socket, scheme: str = "http") -> str:
    """How a person writes where this socket listens."""
    name = opened.getsockname()
    if opened.family == socket.AF_UNIX:
        return f"unix:{os.fsdecode(name)}"
    return f"{scheme}://[{name[0]}]:{name[1]}" if opened.family == socket.AF_INET6 else f"{scheme}://{name[0]}:{name[1]}"


def port_of(sockets: Iterable[socket.socket]) -> int | None:
    """The port of the first that listens on one; None where all are Unix sockets."""
    return next((int(opened.getsockname()[1]) for opened in sockets if opened.family != socket.AF_UNIX), None)
