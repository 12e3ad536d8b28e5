"""The root of every error pagi raises on its own account, and its three branches: whose fault it is."""


class PagiError(Exception):
    """Raised by pagi itself, as opposed to an error of the application that pagi merely carries."""


class PeerError(PagiError):
    """The other end of the connection broke a rule. `status` is what we answer, if an answer is still possible."""

    status = 400


class AppError(PagiError):
    """The application broke the agreement: an event out of order, a missing field, a byte that may not go out."""


class ConfigError(PagiError):
    """The operator or the author wired something that cannot work. Raised when things are built, before serving."""
