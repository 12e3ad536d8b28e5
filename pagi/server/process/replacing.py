"""USR2: another supervisor, the same command started anew, takes the listening sockets over. Nothing ends before it serves."""

import logging
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress

import msgspec

from pagi.server.options import ListenOptions
from pagi.server.process.unix_files import UnixFile
from pagi.server.process.waiting import Waiting
from pagi.server.process.worker_process import ending

log = logging.getLogger("pagi.server")

VARIABLE = "PAGI_LEGACY"
SERVES = b"serves\n"


class Legacy(msgspec.Struct, frozen=True, kw_only=True):
    """What a supervisor leaves to its successor, by descriptor."""

    listen: ListenOptions
    """What the sockets were opened for."""
    sockets: list[int]
    files: list[UnixFile]
    """Of the Unix sockets among them that were bound by us."""
    pid_file: int | None
    word: int
    """Where the successor says that it serves."""


def is_successor(environment: Mapping[str, str]) -> bool:
    """Somebody who still serves started us to take over."""
    return VARIABLE in environment


def find_legacy(environment: MutableMapping[str, str]) -> Legacy | None:
    """What our predecessor left; None where there is none. The environment speaks of it no more."""
    text = environment.pop(VARIABLE, None)
    return None if text is None else msgspec.json.decode(text, type=Legacy)


def take_over(word: int) -> None:
    """Says that we serve: whoever was there before us ends."""
    with suppress(OSError):
        os.write(word, SERVES)
    os.close(word)


class Replacing:
    """Starts a successor, and waits for what becomes of it."""

    def __init__(self, waiting: Waiting, command: list[str], environment: Mapping[str, str], done: Callable[[int], None]) -> None:
        self._waiting = waiting
        self._command = command
        self._environment = environment
        self._done = done
        self._process: subprocess.Popen[bytes] | None = None
        self._word: socket.socket | None = None

    @property
    def is_on(self) -> bool:
        """A successor was started and does not serve yet."""
        return self._process is not None

    def begin(self, listen: ListenOptions, sockets: list[int], files: list[UnixFile], pid_file: int | None, also: list[int]) -> None:
        """Starts the successor. `also` are descriptors that it knows of by other ways. If it fails, all is as before."""
        if self._process is not None:
            log.warning("process %d is about to take over already", self._process.pid)
            return
        self._word, theirs = socket.socketpair()
        self._word.setblocking(False)
        legacy = Legacy(listen=listen, sockets=sockets, files=files, pid_file=pid_file, word=theirs.fileno())
        environment = {**self._environment, VARIABLE: msgspec.json.encode(legacy).decode()}
        given = [*sockets, theirs.fileno(), *also, *([pid_file] if pid_file is not None else [])]
        try:
            self._process = subprocess.Popen(self._command, env=environment, pass_fds=given)  # noqa: S603 (what we were started with)
        except OSError as error:
            log.error("the successor could not be started: %s; going on as before", error.strerror)
            self._word.close()
            return
        finally:
            theirs.close()
        self._waiting.watch(self._word, self._listen)
        log.info("process %d is about to take over", self._process.pid)

    def call_off(self) -> None:
        """Ends the successor, which does not serve yet."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGTERM)

    def reap(self) -> None:
        """A process ended; it may have been the successor."""
        process = self._process
        if process is None:
            return
        code = process.poll()
        if code is None:
            return
        self._listen()  # it may have served, and ended since
        if self.is_on:
            log.error("process %d, which was to take over, ended (%s); going on as before", process.pid, ending(code))
            self._process = None

    def _listen(self) -> None:
        word, process = self._word, self._process
        if word is None or process is None:
            return
        try:
            data = word.recv(64)
        except BlockingIOError:
            return
        self._waiting.forget(word)
        word.close()
        self._word = None
        if data == SERVES:
            self._process = None
            self._done(process.pid)
