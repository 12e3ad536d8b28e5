"""From `pagi run` to its supervisor: all that needs the whole command is done here, then this process becomes the smaller one."""

import os
import socket
import sys
import tempfile
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import NoReturn

import msgspec

from pagi import first_process
from pagi.cli.load import Target
from pagi.cli.programs import supervisor_program, worker_program
from pagi.cli.serving import Application
from pagi.http.errors import ConfigError
from pagi.server import ServerOptions
from pagi.server.process import systemd
from pagi.server.process.activation import adopted
from pagi.server.process.cpus import available_cpus
from pagi.server.process.daemon import leave_terminal, tell
from pagi.server.process.exit_codes import EXIT_START
from pagi.server.process.listeners import Listeners, open_listeners
from pagi.server.process.pid_file import PidFile
from pagi.server.process.privileges import find_rights
from pagi.server.process.replacing import Legacy, find_legacy
from pagi.server.process.run import choose_loop, obey_umask
from pagi.server.process.supervisor import Plan
from pagi.server.process.worker_process import Program

NOT_FOR_WORKERS = (*systemd.VARIABLES, first_process.VARIABLE)


class CannotLaunch(ConfigError):
    """The interpreter cannot be run, though it runs: not by who we became."""


def become_supervisor(target: Target, options: ServerOptions, env_file: Path | None, environment: Mapping[str, str]) -> NoReturn:
    """Does what only whoever started us may do, and goes on as the supervisor of workers.

    Raises:
        ConfigError: a setting cannot be followed.
    """
    processes = options.processes
    choose_loop(options.serve.loop)
    rights = find_rights(processes.user, processes.group)
    own = {**environment, **(rights.variables() if rights else {})}
    legacy = find_legacy(own)
    obey_umask(processes)
    listeners = _listeners(options, legacy, own)
    waits = leave_terminal() if processes.daemon and legacy is None else None
    pid_file: PidFile | None = None
    try:
        pid_file = _pid_file(processes.pid_file, legacy)
        if rights is not None:
            rights.assume()
        plan = Plan(
            options=options,
            workers=available_cpus() if processes.workers == "auto" else processes.workers,
            sockets=[opened.detach() for opened in listeners.sockets],
            files=listeners.files,
            program=Program(command=worker_program(), environment={name: own[name] for name in own if name not in NOT_FOR_WORKERS}),
            application=_application(target, env_file, detaches=processes.daemon),
            command=[sys.executable, *sys.orig_argv[1:]],
            pid_file=pid_file.descriptor if pid_file else None,
            waits=waits,
            word=legacy.word if legacy else None,
            in_charge=int(own[first_process.VARIABLE]) if first_process.VARIABLE in own else None,
        )
        _become(plan, own)
    except BaseException:
        if legacy is None:  # else the files are still our predecessor's
            listeners.close()
            if pid_file is not None:
                pid_file.remove()
        if waits is not None:
            tell(waits, EXIT_START)
        raise


def _listeners(options: ServerOptions, legacy: Legacy | None, environment: MutableMapping[str, str]) -> Listeners:
    """Those of our predecessor, where they are wanted as they were; else by their addresses, as far as these are still wanted."""
    if legacy is None:
        return open_listeners(options.listen, environment)
    inherited = [adopted(descriptor) for descriptor in legacy.sockets]
    unchanged = legacy.listen == options.listen
    listeners = Listeners(inherited) if unchanged else open_listeners(options.listen, environment, inherited)
    paths = {os.path.abspath(opened.getsockname()) for opened in listeners.sockets if opened.family == socket.AF_UNIX}
    listeners.files += [file for file in legacy.files if file.path in paths]
    return listeners


def _pid_file(path: str | None, legacy: Legacy | None) -> PidFile | None:
    if path is None:
        return None
    if legacy is not None and legacy.pid_file is not None:
        inherited = PidFile(Path(path), legacy.pid_file)
        if inherited.is_there:
            return inherited
        inherited.let_go()
    return PidFile.take(Path(path))


def _application(target: Target, env_file: Path | None, *, detaches: bool) -> msgspec.Raw:
    application = Application(
        app=str(target),
        folder=str(target.folder),
        env_file=str(env_file.resolve()) if env_file is not None else None,
        arguments=sys.argv,
        detaches=detaches,
    )
    return msgspec.Raw(msgspec.json.encode(application))


def _become(plan: Plan, environment: Mapping[str, str]) -> NoReturn:
    with tempfile.TemporaryFile() as file:
        file.write(msgspec.json.encode(plan))
        file.seek(0)
        kept = [file.fileno(), plan.pid_file, plan.waits, plan.word, plan.in_charge, *plan.sockets]
        for descriptor in kept:
            if descriptor is not None:
                os.set_inheritable(descriptor, True)
        sys.stdout.flush()
        sys.stderr.flush()
        try:
            os.execve(sys.executable, [*supervisor_program(), str(file.fileno())], environment)  # noqa: S606 (this very Python)
        except OSError as error:
            raise CannotLaunch(f"user {os.getuid()} cannot run {sys.executable}: {error.strerror}") from error
