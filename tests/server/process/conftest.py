"""What the tests of processes share: what they opened is closed."""

from collections.abc import Iterator

import pytest

from tests.server.process.fleets import SCENES


@pytest.fixture(autouse=True)
def closed_scenes() -> Iterator[None]:
    """The fakes of a test let their channels go."""
    yield
    while SCENES:
        for process in SCENES.pop().processes:
            process.close()
