"""A command that is started without stdin, stdout or stderr has something in their place."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

SHOWN = """
import os, sys
from pathlib import Path
import pagi.cli
Path(sys.argv[1]).write_text(" ".join(os.readlink(f"/proc/self/fd/{number}") for number in (0, 1, 2)))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("missing", [(1,), (0, 1, 2), (2,)])
def test_what_is_missing_leads_nowhere(missing: tuple[int, ...], tmp_path: Path) -> None:
    def close() -> None:
        for number in missing:
            os.close(number)

    shown = tmp_path / "shown"
    run = partial(subprocess.run, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True)
    run([sys.executable, "-c", SHOWN, str(shown)], preexec_fn=close)
    leads = shown.read_text().split()
    assert [leads[number] == "/dev/null" for number in (0, 1, 2)] == [number in missing for number in (0, 1, 2)]
