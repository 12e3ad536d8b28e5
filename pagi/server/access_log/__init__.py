"""The access log: one line for each exchange, in one of our forms or in the operator's own."""

from pagi.server.access_log.ended import NO_FIELDS
from pagi.server.access_log.escaping import printable
from pagi.server.access_log.formats import FormatRefused, compile_format
from pagi.server.access_log.log import AccessLog

__all__ = ["NO_FIELDS", "AccessLog", "FormatRefused", "compile_format", "printable"]
