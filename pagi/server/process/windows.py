"""The sockets through which one looks into a server: bound for this user alone, and for whoever may read metrics."""

import os
import socket
import stat
from pathlib import Path

from pagi.http.errors import ConfigError
from pagi.server.options import ListenOptions, WatchOptions
from pagi.server.process.listeners import Listeners, address_of, open_listeners
from pagi.server.process.window import Window

BACKLOG = 16
OTHERS = stat.S_IRWXG | stat.S_IRWXO


class Windows:
    """Open windows, not blocking. Made by `open_windows`."""

    def __init__(self) -> None:
        self.sockets: list[tuple[Window, socket.socket]] = []
        self._listeners: list[Listeners] = []

    def add(self, window: Window, listeners: Listeners) -> None:
        """One more, through every socket of `listeners`."""
        self.sockets += [(window, opened) for opened in listeners.sockets]
        self._listeners.append(listeners)

    def close(self) -> None:
        """Closes them, and removes the control socket's file."""
        for listeners in self._listeners:
            listeners.close()
        self.sockets.clear()
        self._listeners.clear()

    def __str__(self) -> str:
        return ", ".join(f"{window.value} at {address_of(opened)}" for window, opened in self.sockets)


def open_windows(options: WatchOptions) -> Windows:
    """Opens what the options name; nothing by default.

    Raises:
        ConfigError: the control socket's folder is open to others, or cannot be.
        CannotListen: an address is taken, forbidden or unknown.
    """
    windows = Windows()
    try:
        if options.control_socket:
            path = Path(options.control_socket).absolute()
            _demand_private(path.parent)
            windows.add(Window.CONTROL, open_listeners(ListenOptions(bind=(f"unix:{path}",), uds_mode=0o600, backlog=BACKLOG)))
        if options.metrics_bind:
            windows.add(Window.METRICS, open_listeners(ListenOptions(bind=(options.metrics_bind,), backlog=BACKLOG)))
    except BaseException:
        windows.close()
        raise
    return windows


def _demand_private(folder: Path) -> None:
    """Makes the folder if need be. In one that others can write to, another's socket could stand in ours' place."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.stat()
    except OSError as error:
        raise ConfigError(f"the control socket cannot be in {folder}: {error.strerror}") from error
    if found.st_uid not in (0, os.geteuid()):
        raise ConfigError(f"the control socket cannot be in {folder}: the folder is another user's (uid {found.st_uid})")
    if found.st_mode & OTHERS:
        mode = stat.S_IMODE(found.st_mode)
        raise ConfigError(
            f"the control socket cannot be in {folder}: others may enter the folder (mode {mode:04o}); give it one of its own, "
            f"such as {folder / 'pagi' / 'control.sock'}, which is made with mode 0700"
        )
