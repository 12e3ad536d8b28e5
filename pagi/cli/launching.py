"""From `pagi run` to its supervisor: all that needs the whole command is done here, then this process becomes the smaller one."""

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import msgspec

from pagi.cli.load import Target
from pagi.cli.programs import supervisor_program, worker_program
from pagi.cli.serving import Application
from pagi.server import ServerOptions
from pagi.server.process.listeners import open_listeners
from pagi.server.process.supervisor import Plan
from pagi.server.process.worker_process import Program


def become_supervisor(target: Target, options: ServerOptions, env_file: Path | None, environment: Mapping[str, str]) -> NoReturn:
    """Binds what there is to bind, and goes on as the supervisor of workers.

    Raises:
        ConfigError: a setting cannot be followed.
    """
    sockets = open_listeners(options.listen)
    application = Application(
        app=str(target),
        folder=str(target.folder),
        env_file=str(env_file.resolve()) if env_file is not None else None,
        arguments=sys.argv,
    )
    workers = options.processes.workers
    plan = Plan(
        options=msgspec.structs.replace(options, processes=msgspec.structs.replace(options.processes, workers=1)),
        workers=1 if workers == "auto" else workers,
        sockets=[opened.fileno() for opened in sockets],
        program=Program(command=worker_program(), environment=dict(environment)),
        application=msgspec.Raw(msgspec.json.encode(application)),
    )
    with tempfile.TemporaryFile() as file:
        file.write(msgspec.json.encode(plan))
        file.seek(0)
        for descriptor in (file.fileno(), *plan.sockets):
            os.set_inheritable(descriptor, True)
        sys.stdout.flush()
        sys.stderr.flush()
        os.execve(sys.executable, [*supervisor_program(), str(file.fileno())], environment)  # noqa: S606 (this very Python)
