"""The long runs of the Autobahn test suite: large messages, many of them, and compressed ones."""

from pathlib import Path

import pytest

from tests.interop.autobahn import DEFLATE, LIMITS, THEIRS, verdicts

pytestmark = pytest.mark.drill

LOOPS = ["uvloop", "asyncio", "trio"]
SOME_LIMITS = ["9.1.1", "9.2.1", "9.3.5", "9.4.5", "9.5.6", "9.6.6", "9.7.1", "9.8.1"]
SOME_DEFLATE = ["12.1.1", "12.1.4", "12.1.11", "12.3.5", "13.1.4", "13.3.4", "13.5.4", "13.7.4"]


@pytest.mark.parametrize("loop", LOOPS)
def test_large_and_many_messages_come_back(loop: str, scale: float, tmp_path: Path) -> None:
    count, failed = verdicts(tmp_path, LIMITS if scale == 1.0 else SOME_LIMITS, "--loop", loop, at_once=2)
    print(f"\n{loop}: {count} cases of the Autobahn suite's chapter 9")
    assert (count, failed) == (54 if scale == 1.0 else len(SOME_LIMITS), [])


@pytest.mark.parametrize("loop", LOOPS)
def test_compressed_messages_come_back(loop: str, scale: float, tmp_path: Path) -> None:
    count, failed = verdicts(tmp_path, DEFLATE if scale == 1.0 else SOME_DEFLATE, "--loop", loop, at_once=2)
    theirs = [case for case in failed if THEIRS in case]
    print(f"\n{loop}: {count} cases of the Autobahn suite's chapters 12 and 13, {len(theirs)} of them not judged: {THEIRS}")
    assert count == (216 if scale == 1.0 else len(SOME_DEFLATE))
    assert [case for case in failed if case not in theirs] == []
