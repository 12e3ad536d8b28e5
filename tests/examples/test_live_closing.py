"""Our server ends while the live page is open: everybody is told, and the process leaves in time."""

from collections.abc import Callable

import httpx2
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.examples.servers import ExampleServer


def test_every_kind_is_told_and_the_server_leaves(serve: Callable[[str], ExampleServer]) -> None:
    server = serve("live")
    with httpx2.Client(base_url=server.url) as client, client.sse("/clock") as events, connect(f"{server.ws_url}/echo") as socket:
        stream = iter(events)
        assert next(stream).event == "tick"
        server.terminate()
        last = list(stream)[-1]
        assert last.event == "closing"
        assert 29 < float(str(last.data).removeprefix('{"seconds":').removesuffix("}")) <= 30
        with pytest.raises(ConnectionClosed):
            socket.recv(5)
        assert socket.close_code == 1001
    assert server.wait() == 0
    assert "Traceback" not in server.output
