"""The Autobahn test suite: we keep every rule of RFC 6455 that it knows, on each loop. Its long runs are a drill."""

from pathlib import Path

import pytest

from tests.interop.autobahn import RULES, verdicts


@pytest.mark.parametrize("loop", ["uvloop", "asyncio", "trio"])
def test_every_rule_is_kept(loop: str, tmp_path: Path) -> None:
    assert verdicts(tmp_path, RULES, "--loop", loop) == (247, [])


def test_every_rule_is_kept_where_nothing_may_be_compressed(tmp_path: Path) -> None:
    assert verdicts(tmp_path, RULES, "--no-ws-per-message-deflate") == (247, [])
