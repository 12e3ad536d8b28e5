"""What systemd is told, and how often (sd_notify(3)): ready, reloading, stopping, another main process, still alive."""

import logging
import os
import socket
import time
from collections.abc import Mapping

log = logging.getLogger("pagi.server")

PATIENCE_SECONDS = 1.0
"""How long a word may wait while systemd takes none: long enough for a busy one, and no reason for us to stand still."""

VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
"""Meant for the main process alone: workers and what they start are not to speak for it."""


class ServiceManager:
    """Whoever started us as a service. Where nobody did, nothing happens."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        self.watchdog_seconds = _watchdog(environment)
        """How often it wants to hear that we live; None if it does not."""

    def ready(self) -> None:
        """Started, or done reloading."""
        self._tell("READY=1")

    def reloading(self) -> None:
        """Reloading until `ready`."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """The end has begun."""
        self._tell("STOPPING=1")

    def alive(self) -> None:
        """The watchdog is to wait anew. Where systemd takes nothing now, the next one may do."""
        self._tell("WATCHDOG=1", patience_seconds=0.0)

    def main_process(self, pid: int) -> None:
        """Another process goes on as the service."""
        self._tell(f"MAINPID={pid}")

    def _tell(self, text: str, patience_seconds: float = PATIENCE_SECONDS) -> None:
        if not self._address:
            return
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
                out.settimeout(patience_seconds)
                out.connect(address)
                out.sendall(text.encode())
        except OSError as error:
            log.warning("systemd could not be told %s: %s", text.partition("\n")[0], error.strerror or error)


def _watchdog(environment: Mapping[str, str]) -> float | None:
    """Half of what systemd allows, as sd_watchdog_enabled(3) recommends; None if it is meant for another process."""
    allowed, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", "")
    if not allowed.isdecimal() or not int(allowed) or (pid and pid != str(os.getpid())):
        return None
    return int(allowed) / 2_000_000
