"""What holds on plain sockets holds under TLS: departures, half-closes, resets, marks, pauses and files, by the very same tests."""

from collections.abc import Iterator

import pytest

from tests.server import live, test_clients, test_files
from tests.server.certificates import Authority, Issued

pytestmark = pytest.mark.anyio

LEFT_OUT = {"test_a_file_that_shrinks_while_it_is_sent_ends_the_connection"}
"""Says how the operating system sends files, and it sends none under TLS."""
FIXTURES = {"content", "path"}


@pytest.fixture(autouse=True)
def everybody_speaks_tls(authority: Authority, own: Issued) -> Iterator[None]:
    """Puts TLS under every server and client of a test."""
    live.ALL_SECURE.append((own.options, authority.trusted()))
    yield
    live.ALL_SECURE.clear()


for module in (test_clients, test_files):
    for name, value in vars(module).items():
        if name in FIXTURES or (name.startswith("test_") and name not in LEFT_OUT):
            globals()[name] = value
