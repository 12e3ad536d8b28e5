"""Where log lines go: the server's to stderr, one for each exchange to stdout or a file; or wherever `--log-config` says."""

import logging
import sys
from pathlib import Path

from pagi.server.options import LogOptions
from pagi.server.process.log_config import configure_logging
from pagi.server.process.log_handlers import ACCESS, SERVER, AccessFile, AccessHandler, CannotLog, LineHandler, ServerHandler
from pagi.server.process.log_lines import LineFormatter, wants_colour

TRACE = 5
"""Below debug: every event of every exchange."""

LEVELS = {
    "critical": logging.CRITICAL,
    "error": logging.ERROR,
    "warning": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
    "trace": TRACE,
}


def set_up_logging(options: LogOptions) -> None:
    """Gives the loggers `pagi` and `pagi.access` their handlers, except where `log_config` names them. Called again, it replaces them.

    Every other logger is left alone, that of the application and the root logger too, unless `log_config` names it.

    Raises:
        ConfigError: a file cannot be read or written, or says what cannot be.
    """
    logging.addLevelName(TRACE, "TRACE")
    named = configure_logging(Path(options.log_config)) if options.log_config is not None else frozenset[str]()
    if SERVER not in named:
        server = ServerHandler(sys.stderr)
        server.setFormatter(LineFormatter(colour=wants_colour(sys.stderr) if options.use_colors is None else options.use_colors))
        _give(SERVER, server, LEVELS[options.log_level])
    if ACCESS not in named:
        set_up_access_log(options)
    elif options.access_log_file is not None:
        raise CannotLog(
            f"{options.log_config} names the logger {ACCESS!r}, and access_log_file says {options.access_log_file!r}; "
            "say in one of them where its lines go"
        )


def set_up_access_log(options: LogOptions) -> None:
    """Gives the logger `pagi.access` its handler alone.

    Raises:
        CannotLog: the file cannot be written.
    """
    file = options.access_log_file
    _give(ACCESS, AccessFile(Path(file)) if file is not None else AccessHandler(sys.stdout), logging.INFO)


def set_up_unset_logging(options: LogOptions) -> None:
    """For a server that is started from code: a program that set up logging by itself keeps that, but for what the options name.

    Raises:
        ConfigError: as for `set_up_logging`.
    """
    is_set_up = bool(logging.getLogger(SERVER).handlers or logging.getLogger().handlers)
    if not is_set_up or options.log_config is not None:
        set_up_logging(options)
    elif options.access_log_file is not None:
        set_up_access_log(options)


def keep_logging() -> None:
    """Undoes what `dictConfig` does to every logger that it does not name, when an application calls it: ours would be silent."""
    for name, logger in logging.root.manager.loggerDict.items():
        if isinstance(logger, logging.Logger) and (name == SERVER or name.startswith(f"{SERVER}.")):
            logger.disabled = False


def reopen_logs() -> None:
    """Opens the access log's file anew, under its name: what to do when it was rotated away."""
    for handler in logging.getLogger(ACCESS).handlers:
        if isinstance(handler, AccessFile):
            handler.reopen()


def _give(name: str, handler: logging.Handler, level: int) -> None:
    logger = logging.getLogger(name)
    for old in logger.handlers[:]:
        logger.removeHandler(old)
        if isinstance(old, LineHandler):
            old.close()
    logger.addHandler(handler)
    logger.setLevel(level)
    logger.propagate = False
