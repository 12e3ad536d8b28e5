"""From root to an ordinary user, for good: after the sockets are bound, and before anything of the application is imported."""

import grp
import os
import pwd

import msgspec

from pagi.http.errors import ConfigError


class RightsRefused(ConfigError):
    """The process cannot become what was asked for. The message says why."""


class Rights(msgspec.Struct, frozen=True):
    """Whom a process becomes."""

    user: int
    group: int
    name: str | None
    """The user's, whose supplementary groups come too; None for one whom the system does not know."""
    home: str | None

    def is_ours(self) -> bool:
        """The process is that already."""
        return (self.user, self.user) == (os.getuid(), os.geteuid()) and (self.group, self.group) == (os.getgid(), os.getegid())

    def variables(self) -> dict[str, str]:
        """Environment variables that speak of the user."""
        return {"USER": self.name, "LOGNAME": self.name, "HOME": self.home} if self.name and self.home else {}

    def assume(self) -> None:
        """Becomes that. There is no way back."""
        if self.is_ours():
            return
        if self.name is not None:
            os.initgroups(self.name, self.group)
        else:
            os.setgroups([self.group])
        os.setresgid(self.group, self.group, self.group)
        os.setresuid(self.user, self.user, self.user)


def find_rights(user: str | None, group: str | None) -> Rights | None:
    """What `--user` and `--group` stand for, by name or number; None if neither is given.

    Without a group it is the user's own.

    Raises:
        RightsRefused: there is no such user or group, or we may not become it.
    """
    if user is None and group is None:
        return None
    entry = _user(user) if user is not None else None
    number = entry.pw_uid if entry else int(user) if user is not None else os.getuid()
    if group is not None:
        group_number = _group(group)
    elif entry is not None:
        group_number = entry.pw_gid
    else:
        raise RightsRefused(f"the system does not know user {user}, so not its group either: say it with --group")
    rights = Rights(number, group_number, entry.pw_name if entry else None, entry.pw_dir if entry else None)
    if os.geteuid() != 0 and not rights.is_ours():
        raise RightsRefused(
            f"only root may become user {user or number} and group {group or group_number}; this process is user {os.geteuid()}"
        )
    return rights


def _user(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(int(name)) if name.isdecimal() else pwd.getpwnam(name)
    except KeyError:
        if name.isdecimal():
            return None
        raise RightsRefused(f"there is no user {name!r}") from None


def _group(name: str) -> int:
    if name.isdecimal():
        return int(name)
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        raise RightsRefused(f"there is no group {name!r}") from None
