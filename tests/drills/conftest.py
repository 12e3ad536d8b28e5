"""How large a drill is: whole numbers for `make drill`, a tenth of them in every other run."""

import os

import pytest

WHOLE = os.environ.get("PAGI_DRILL", "") not in ("", "0")


@pytest.fixture(scope="session")
def scale() -> float:
    """What a drill multiplies its numbers with: 1.0 under PAGI_DRILL=1, else 0.1."""
    return 1.0 if WHOLE else 0.1
