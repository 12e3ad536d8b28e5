"""Listening sockets: bound before anything else starts, so that a taken port is found at once."""

import errno
import os
import socket
import stat

from pagi.http.errors import ConfigError
from pagi.server.options import ListenOptions
from pagi.server.process.port_owner import owner_of


class CannotListen(ConfigError):
    """An address could not be bound. The message says which, why, and what may help."""


def open_listeners(options: ListenOptions) -> list[socket.socket]:
    """The bound and listening sockets, not blocking: one for each address that `host` stands for, or one Unix socket.

    Raises:
        CannotListen: an address is taken, forbidden or unknown.
    """
    if options.uds is not None:
        return [_unix(options.uds, options.backlog)]
    try:
        found = socket.getaddrinfo(options.host or None, options.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise CannotListen(f"host {options.host!r} is no address: {error.strerror}") from error
    sockets: list[socket.socket] = []
    port = options.port
    try:
        for family, _, _, _, address in dict.fromkeys(found):
            if not isinstance(address[0], str):
                continue  # an IPv6 address on a Python without IPv6
            # Port 0 is drawn once: every further address listens on the one that was drawn.
            opened = _tcp(family, (address[0], port, *address[2:]), options.backlog)
            port = opened.getsockname()[1]
            sockets.append(opened)
    except BaseException:
        for opened in sockets:
            opened.close()
        raise
    return sockets


def close_listeners(sockets: list[socket.socket], options: ListenOptions | None) -> None:
    """Closes them where the loop has not done so, and removes the file of the Unix socket that `options` name."""
    for opened in sockets:
        opened.close()
    if options is not None and options.uds is not None and os.path.exists(options.uds):
        os.unlink(options.uds)


def address_of(opened: socket.socket) -> str:
    """How a person writes where this socket listens."""
    name = opened.getsockname()
    if opened.family == socket.AF_UNIX:
        return f"unix:{name}"
    return f"http://[{name[0]}]:{name[1]}" if opened.family == socket.AF_INET6 else f"http://{name[0]}:{name[1]}"


def port_of(opened: socket.socket) -> int | None:
    """The port this socket listens on; None for a Unix socket."""
    if opened.family == socket.AF_UNIX:
        return None
    port: int = opened.getsockname()[1]
    return port


def _tcp(family: int, address: tuple[object, ...], backlog: int) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind(address)
        opened.listen(backlog)
        opened.setblocking(False)
    except OSError as error:
        opened.close()
        raise CannotListen(f"cannot listen on {address[0]} port {address[1]}: {error.strerror}{_remedy(error, address)}") from error
    return opened


def _remedy(error: OSError, address: tuple[object, ...]) -> str:
    port = address[1]
    if error.errno == errno.EADDRINUSE and isinstance(port, int):
        owner = owner_of(port)
        who = f"{owner} listens there." if owner else "is another server running there?"
        return f"; {who} Choose another port with --port, or --port 0 for a free one"
    if error.errno == errno.EACCES:
        return "; ports below 1024 are the administrator's: choose another with --port"
    if error.errno == errno.EADDRNOTAVAIL:
        return "; this machine has no such address: choose another with --host"
    return ""


def _unix(path: str, backlog: int) -> socket.socket:
    if os.path.exists(path) and stat.S_ISSOCK(os.stat(path).st_mode):
        _remove_stale(path)
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        opened.bind(path)
        opened.listen(backlog)
        opened.setblocking(False)
    except OSError as error:
        opened.close()
        raise CannotListen(f"cannot listen on {path!r}: {error.strerror}") from error
    return opened


def _remove_stale(path: str) -> None:
    """Removes a socket file that nobody listens on any more; one that answers is left alone."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
    raise CannotListen(f"another server listens on {path!r}")
