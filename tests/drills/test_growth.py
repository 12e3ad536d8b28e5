"""Twenty thousand requests that all go wrong, each in another way: the process is as large afterwards as after the first half of them."""

from pathlib import Path

import pytest

from tests.drills.conftest import WHOLE
from tests.faults.conversations import WEBSOCKET, reset
from tests.faults.remains import at_rest, settled
from tests.server.child import Child, read_rest, running
from tests.server.wire.client_frames import FIN, RSV2, TEXT, frame

pytestmark = pytest.mark.drill

APP = Path(__file__).parents[1] / "faults" / "app.py"
KIB = 1024
SLACK = 1024 * KIB
"""One thing of 200 bytes kept of each would be as much, in the whole drill."""
PARTS = 10
"""The first half is not counted: it brings what comes once, caches and arenas above all."""


def get(path: bytes) -> bytes:
    return b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path


WRONG: dict[str, tuple[bytes, bytes]] = {
    "the application fails": (get(b"/fail"), b"HTTP/1.1 500 "),
    "it fails in the middle of its answer": (get(b"/fail-late"), b"HTTP/1.1 200 "),
    "it does not answer": (get(b"/nothing"), b"HTTP/1.1 500 "),
    "no request line": (b"nonsense\r\n\r\n", b"HTTP/1.1 400 "),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 400 "),
    "a large head": (b"GET /" + b"a" * 17 * KIB + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 "),
    "a large body": (b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n", b"HTTP/1.1 413 "),
    "broken chunks": (b"POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n?\r\n", b"HTTP/1.1 400 "),
    "a broken frame": (WEBSOCKET + frame(FIN | RSV2 | TEXT, b"x"), b"HTTP/1.1 101 "),
    "a client that leaves": (get(b"/wait"), b""),
}


def go_wrong(child: Child, count: int) -> None:
    """So many of each."""
    for _ in range(count):
        for said, heard in WRONG.values():
            client = child.connect()
            client.sendall(said)
            if heard:
                assert read_rest(client).startswith(heard), said
                client.close()
            else:
                reset(client)


@pytest.mark.parametrize("loop", ["uvloop", "trio", "asyncio"] if WHOLE else ["uvloop"])
def test_what_goes_wrong_leaves_nothing_behind(loop: str, scale: float, tmp_path: Path) -> None:
    count = int(20_000 * scale) // len(WRONG) // PARTS
    with running(tmp_path, APP, "--loop", loop) as child:
        before = at_rest(child)
        sizes: list[int] = []
        for _ in range(PARTS):
            go_wrong(child, count)
            assert settled(child, before) == before  # which collects garbage: how much of it waits differs from run to run
            sizes.append(child.rss())
        child.until_said("RuntimeError: as asked", times=2 * count * PARTS)
        errors = child.stderr.count("RuntimeError: as asked")
    shown = ", ".join(f"{size / KIB:.0f}" for size in sizes)
    print(f"\n{loop}: after each {count * len(WRONG)} requests that went wrong the process held {shown} KiB")
    assert errors == 2 * count * PARTS
    assert sizes[-1] - sizes[PARTS // 2] <= SLACK
