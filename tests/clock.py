"""A clock that stands still until a test moves it."""


class Clock:
    """Seconds since whenever; move `now`."""

    def __init__(self, now: float = 1_900_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
