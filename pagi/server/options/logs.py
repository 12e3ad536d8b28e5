"""What is logged, how, and where to."""

from typing import Annotated, Literal

import msgspec

from pagi.server.access_log import compile_format
from pagi.server.options.flag import Flag


class LogOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is logged, how, and where to."""

    log_level: Annotated[
        Literal["critical", "error", "warning", "info", "debug", "trace"], Flag("--log-level", help="Least level of server log lines.")
    ] = "info"
    log_config: Annotated[
        str | None,
        Flag("--log-config", help="JSON or TOML file in the form of logging.config.dictConfig, for what its loggers name.", unit="FILE"),
    ] = None
    use_colors: Annotated[bool | None, Flag("--use-colors", help="Coloured levels. auto: on a terminal, unless NO_COLOR is set.")] = None
    access_log: Annotated[bool, Flag("--access-log", help="A line for each exchange.")] = True
    access_log_file: Annotated[
        str | None, Flag("--access-log-file", help="Append them to this file; none: they go to stdout.", unit="FILE")
    ] = None
    access_log_format: Annotated[
        str, Flag("--access-log-format", help="text, json, clf, common, combined, tiny, or a string with atoms such as '%h %s %D'.")
    ] = "text"

    def __post_init__(self) -> None:
        compile_format(self.access_log_format)  # a mistake stops the start, whoever made these options
