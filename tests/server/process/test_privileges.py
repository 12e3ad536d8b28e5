"""Whom a process may become, and that it has become nothing else afterwards."""

import json
import os
import pwd
import subprocess
import sys

import pytest

from pagi.server.process.privileges import RightsRefused, find_rights

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become somebody else")
BECOME = """
import json, os
from pagi.server.process.privileges import find_rights
find_rights({user!r}, {group!r}).assume()
try:
    os.setuid(0)
    back = True
except PermissionError:
    back = False
print(json.dumps([os.getresuid(), os.getresgid(), sorted(os.getgroups()), back]))
"""


def become(user: str | None, group: str | None) -> list[object]:
    """What a process is after it became that: user ids, group ids, supplementary groups, and whether it could come back."""
    code = BECOME.format(user=user, group=group)
    result: list[object] = json.loads(subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.PIPE).stdout)
    return result


def test_without_user_and_group_nothing_is_to_be_done() -> None:
    assert find_rights(None, None) is None


@AS_ROOT
def test_a_user_brings_its_own_groups_and_loses_roots() -> None:
    nobody = pwd.getpwnam("nobody")
    groups = sorted(set(os.getgrouplist("nobody", nobody.pw_gid)))
    assert become("nobody", None) == [[nobody.pw_uid] * 3, [nobody.pw_gid] * 3, groups, False]


@AS_ROOT
def test_a_number_will_do_for_a_name() -> None:
    nobody = pwd.getpwnam("nobody")
    assert become(str(nobody.pw_uid), None) == become("nobody", None)


@AS_ROOT
def test_a_user_that_the_system_does_not_know_needs_a_group() -> None:
    with pytest.raises(RightsRefused, match="say it with --group"):
        find_rights("54321", None)
    assert become("54321", "54322") == [[54321] * 3, [54322] * 3, [54322], False]


@AS_ROOT
def test_a_group_alone_keeps_the_user() -> None:
    assert become(None, "54322") == [[0] * 3, [54322] * 3, [54322], True]


@AS_ROOT
def test_the_environment_speaks_of_the_new_user() -> None:
    rights = find_rights("nobody", None)
    assert rights is not None
    assert rights.variables() == {"USER": "nobody", "LOGNAME": "nobody", "HOME": pwd.getpwnam("nobody").pw_dir}


def test_whoever_one_is_already_one_may_become() -> None:
    rights = find_rights(str(os.getuid()), str(os.getgid()))
    assert rights is not None
    rights.assume()


@pytest.mark.parametrize(
    ("user", "group", "message"), [("no-such-user", None, "there is no user 'no-such-user'"), (None, "no-such-group", "there is no group")]
)
def test_what_the_system_does_not_know_is_refused(user: str | None, group: str | None, message: str) -> None:
    with pytest.raises(RightsRefused, match=message):
        find_rights(user, group)


def test_an_ordinary_user_may_not_become_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(RightsRefused, match="only root may become user 54321 and group 54322; this process is user 1000"):
        find_rights("54321", "54322")
