"""stdin, stdout and stderr: there is something in the place of each, even where we were started without it."""

import os

STANDARD = (0, 1, 2)


def open_missing() -> None:
    """Opens the null device where one is missing.

    Else the next file or socket would get its number: what somebody prints would go to a client, and libuv ends the process when it
    closes a connection with such a number.
    """
    while (opened := os.open(os.devnull, os.O_RDWR)) in STANDARD:
        os.set_inheritable(opened, True)
    os.close(opened)
