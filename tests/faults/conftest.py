"""What the fault tests share: one attacked server for each loop and module."""

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.drills.conftest import WHOLE
from tests.faults.remains import Life, at_rest
from tests.server.child import Child, running

APP = Path(__file__).with_name("app.py")


LOOPS = ["uvloop", "trio", "asyncio"] if WHOLE else ["uvloop", "trio"]
"""asyncio's own loop has uvloop's transport: it takes its turn in `make drill`."""


@pytest.fixture(scope="module", params=LOOPS)
def loop(request: pytest.FixtureRequest) -> str:
    """The server's loop."""
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def child(loop: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[Child]:
    """A server in a process of its own, which serves `app.py`. It lives on from test to test: so must it."""
    with running(tmp_path_factory.mktemp(loop), APP, "--loop", loop) as served:
        yield served
    assert served.stderr.count("Traceback") == served.stderr.count("RuntimeError: as asked"), served.stderr


@pytest.fixture(scope="module")
def calm(loop: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[Child]:
    """Such a server that nobody attacks: how long requests take there is the machine's doing."""
    with running(tmp_path_factory.mktemp(f"{loop} calm"), APP, "--loop", loop) as served:
        yield served


@pytest.fixture(scope="module")
def before(child: Child) -> Life:
    """What that server held before the first fault."""
    return at_rest(child)
