"""Examples that are being served, for the tests that ask them."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx2
import pytest

from tests.examples.servers import EVERY, OURS, ExampleServer


@pytest.fixture(scope="module", params=EVERY)
def live(request: pytest.FixtureRequest) -> Iterator[ExampleServer]:
    """The live example, on every server."""
    with ExampleServer(request.param, "live") as server:
        yield server


@pytest.fixture
def client(live: ExampleServer) -> Iterator[httpx2.Client]:
    """An HTTP client of the live example."""
    with httpx2.Client(base_url=live.url) as client:
        yield client


@pytest.fixture(params=OURS)
def serve(request: pytest.FixtureRequest) -> Iterator[Callable[[str], ExampleServer]]:
    """Starts an example by its name, on our server with each loop; it is ended with the test."""
    with ExitStack() as stack:
        yield lambda example: stack.enter_context(ExampleServer(request.param, example))
