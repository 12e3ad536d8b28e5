"""What holds for clients that leave, half-close, reset or stop reading holds under TLS too, by the very same tests."""

import pytest

from tests.server import test_clients

pytestmark = [*test_clients.pytestmark, pytest.mark.usefixtures("everybody_speaks_tls")]

OF_THE_SOCKET = "test_the_system_keeps_nothing_for_a_client_that_was_cut"
"""Asks by a socket of its own, in plain HTTP."""

for name, value in vars(test_clients).items():
    if name.startswith("test_") and name != OF_THE_SOCKET:
        globals()[name] = value
