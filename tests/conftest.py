"""What every test shares: each async test runs on asyncio and on trio."""

import gc
from collections.abc import Iterator
from typing import Any

import pytest

BACKENDS: dict[str, dict[str, Any]] = {"asyncio": {"use_uvloop": False}, "trio": {}}


@pytest.fixture(scope="module", params=BACKENDS)
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """The event loop of an async test, and its options."""
    return request.param, BACKENDS[request.param]


@pytest.fixture(scope="module")
def new_objects_alone() -> Iterator[None]:
    """The collector sees what the module's tests make: not what others left, nor each time all the tests that pytest holds."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
