"""The backend that a test of this folder runs on: each of them in turn."""

import pytest

from tests.channels.backends import BACKENDS, Backend


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Makes channels."""
    return BACKENDS[request.param]
