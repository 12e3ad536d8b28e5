"""Files arrive under TLS as on plain sockets, though the operating system cannot send them: by the very same tests."""

import pytest

from tests.server import test_files

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("everybody_speaks_tls")]

FIXTURES = ("content", "path")
OF_SENDING = "test_a_file_that_shrinks_while_it_is_sent_ends_the_connection"
"""Is about what happens between the system and a file that it sends."""

for name, value in vars(test_files).items():
    if name in FIXTURES or (name.startswith("test_") and name != OF_SENDING):
        globals()[name] = value
