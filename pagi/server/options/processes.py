"""How many processes serve, and what each of them is to the operating system."""

from typing import Annotated, Literal, TypeAlias

import msgspec

from pagi.server.options.flag import Count, Flag, Seconds

Workers: TypeAlias = Annotated[int, msgspec.Meta(ge=1)] | Literal["auto"]
Mode: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=0o777)]


class ProcessOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Workers, and the process as the operating system sees it."""

    workers: Annotated[Workers, Flag("--workers", help="Processes that serve; auto: one for each CPU that is ours.")] = 1
    worker_stall_seconds: Annotated[
        Seconds, Flag("--timeout-worker-stall", help="How long a worker's loop may be blocked before the worker is replaced. 0: no limit.")
    ] = 30.0
    worker_boot_seconds: Annotated[
        Seconds,
        Flag("--timeout-worker-boot", help="How long a worker may take to load the application, beside --timeout-startup. 0: no limit."),
    ] = 60.0
    max_requests: Annotated[
        Count, Flag("--limit-max-requests", help="After so many requests the process ends, or its worker is replaced. 0: no limit.")
    ] = 0
    max_requests_jitter: Annotated[
        Count, Flag("--limit-max-requests-jitter", help="Up to so many requests more, drawn for each process, so that not all end at once.")
    ] = 0
    pid_file: Annotated[str | None, Flag("--pid-file", help="File for the process id, locked while the process runs.", unit="FILE")] = None
    user: Annotated[str | None, Flag("--user", help="User to become once the sockets are bound, by name or number.")] = None
    group: Annotated[str | None, Flag("--group", help="Group to become, by name or number; none: the user's own.")] = None
    umask: Annotated[Mode | None, Flag("--umask", help="Permissions that new files are not given, such as 0o027.")] = None
    daemon: Annotated[bool, Flag("--daemon", help="Leave the terminal once all workers serve.")] = False

    @property
    def is_supervised(self) -> bool:
        """A supervisor is needed, above the process or processes that serve."""
        return self.workers != 1 or self.daemon or any(wish is not None for wish in (self.pid_file, self.user, self.group))

    def of_one(self) -> "ProcessOptions":
        """What of this concerns a process that serves: the rest is its supervisor's."""
        return msgspec.structs.replace(self, workers=1, pid_file=None, user=None, group=None, daemon=False)
