"""Downloads, read to their end and thrown away: a client that costs so little that large files show what the server does."""

import selectors
import socket
from array import array
from time import perf_counter

from benchmarks.clients.echo import percentile_99
from benchmarks.failure import RoundFailed
from benchmarks.measure import Meter, Sample

CONNECTIONS = 4
READ_BYTES = 1 << 20
STANDSTILL_SECONDS = 10.0
HEAD_BYTES = 16 * 1024


class Download:
    """One connection that asks again when it has everything."""

    def __init__(self, port: int, path: str, size: int) -> None:
        self.request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode()
        self.size = size
        self.left = 0
        self.began_at = 0.0
        self.line = socket.create_connection(("127.0.0.1", port), timeout=STANDSTILL_SECONDS)

    def ask(self) -> None:
        """Sends the request and reads the head of its answer.

        Raises:
            RoundFailed: that is no 200 with the right length.
        """
        self.began_at = perf_counter()
        self.line.sendall(self.request)
        seen = b""
        while b"\r\n\r\n" not in seen:
            data = self.line.recv(HEAD_BYTES)
            if not data:
                raise RoundFailed(f"a download was answered with {seen[:200]!r}")
            seen += data
        head, _, body = seen.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200 ") or b"content-length: %d" % self.size not in head.lower():
            raise RoundFailed(f"a download was answered with {head[:200]!r}")
        self.left = self.size - len(body)
        self.sleep_long()

    def sleep_long(self) -> None:
        """Readable only once a whole read is there.

        On the loopback interface whoever sends pays for waking whoever waits. That alone was a third of a large file's cost: not the
        server's doing, and dearest where the server is quickest.
        """
        self.line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, min(self.left, READ_BYTES) or 1)

    def discard(self, buffer: bytearray) -> bool:
        """Throws away what has come; whether that was the last of it.

        Raises:
            RoundFailed: the server hung up too early.
        """
        # Linux drops the bytes of a TCP socket where they lie (tcp(7)): nothing is copied on our side.
        dropped = self.line.recv_into(buffer, min(self.left, READ_BYTES), socket.MSG_TRUNC)
        if not dropped:
            raise RoundFailed(f"the server hung up with {self.left} of {self.size} bytes to come")
        self.left -= dropped
        if self.left < READ_BYTES:
            self.sleep_long()
        return self.left == 0


def run_downloads(port: int, path: str, *, size: int, seconds: float, meter: Meter) -> Sample:
    """Whole downloads on a few connections, for some seconds and until the last has ended; the first of each is not measured.

    Raises:
        RoundFailed: an answer was wrong or broke off, or nothing came for `STANDSTILL_SECONDS`.
    """
    waits = array("d")
    buffer = bytearray(READ_BYTES)
    downloads: list[Download] = []
    try:
        with selectors.DefaultSelector() as selector:
            downloads.extend(Download(port, path, size) for _ in range(CONNECTIONS))

            def round_of(until: float) -> None:
                for download in downloads:
                    download.ask()
                    selector.register(download.line, selectors.EVENT_READ, download)
                while selector.get_map():
                    ready = selector.select(STANDSTILL_SECONDS)
                    if not ready:
                        raise RoundFailed(f"no byte of {len(selector.get_map())} downloads came for {STANDSTILL_SECONDS:g} s")
                    for key, _ in ready:
                        if key.data.discard(buffer):
                            waits.append(perf_counter() - key.data.began_at)
                            if perf_counter() < until:
                                key.data.ask()
                            else:
                                selector.unregister(key.data.line)

            round_of(0.0)
            del waits[:]
            meter.start()
            round_of(perf_counter() + seconds)
            meter.stop()
    except TimeoutError:
        raise RoundFailed(f"the head of an answer did not come within {STANDSTILL_SECONDS:g} s")
    finally:
        for download in downloads:
            download.line.close()
    return meter.sample(len(waits), percentile_99(waits))
