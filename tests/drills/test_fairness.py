"""One endless stream to a fast reader: whoever asks beside it is answered in time, and a deploy ends it."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.server.child import read_until, running

pytestmark = [pytest.mark.drill, pytest.mark.quiet]

APP = Path(__file__).with_name("app.py")
READER = """
import socket, sys
client = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
client.sendall(b"GET /stream HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
buffer = bytearray(1 << 20)
size, tail = 0, b""
while count := client.recv_into(buffer):
    size += count
    tail = (tail + bytes(buffer[max(0, count - 32):count]))[-32:]
print(size, tail.endswith(b"the end\\r\\n0\\r\\n\\r\\n"))
"""


@pytest.mark.parametrize("loop", ["uvloop", "asyncio", "trio"])
def test_a_plain_request_beside_an_endless_stream_is_quick_and_a_deploy_drains_it(loop: str, scale: float, tmp_path: Path) -> None:
    count = max(200, int(3000 * scale))
    with running(tmp_path, APP, "--loop", loop, "--no-access-log") as child:
        reader = subprocess.Popen([sys.executable, "-c", READER, str(child.port)], stdout=subprocess.PIPE, text=True)
        try:
            time.sleep(0.5)
            took: list[float] = []
            with child.connect() as client:
                for _ in range(count):
                    began = time.perf_counter()
                    client.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
                    read_until(client, b"hello")
                    took.append(1000 * (time.perf_counter() - began))
                    time.sleep(0.001)
            child.signal(signal.SIGTERM)
            assert child.exit_code() == 0
            size, ended = (reader.communicate(timeout=10)[0] or "").split()
        finally:
            if reader.poll() is None:
                reader.kill()
                reader.wait()
    took.sort()
    p99 = took[int(len(took) * 0.99)]
    print(f"\n{loop}: beside {int(size) / 1e9:.1f} GB of stream a GET takes {took[len(took) // 2]:.2f} ms, p99 {p99:.2f} ms")
    assert ended == "True"
    assert p99 < 20
    assert "Traceback" not in child.stderr
