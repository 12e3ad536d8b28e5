"""Input that does not fit: the first misfit ends the call, then all that is wrong with the request is found and said at once."""

import inspect
from collections.abc import Sequence
from typing import Any

import msgspec

from pagi.http.errors import PeerError
from pagi.injection.plan import Leaf
from pagi.messages.problems import HTTPException

MOST_ERRORS = 20
"""How many misfits of one request are told."""


class InputError(msgspec.Struct, frozen=True):
    """One thing that does not fit: where it stands (`query.after`, `body.items[0].text`), and what was expected there."""

    path: str
    message: str


class Unfit(PeerError):
    """Something that the client sent does not fit what a handler asks for. Found alone; see `InvalidInput`."""

    status = 422

    def __init__(self, path: str, message: str, errors: Sequence[InputError] | None = None) -> None:
        super().__init__(f"{path}: {message}")
        self.errors = tuple(errors) if errors is not None else (InputError(path, message),)


class InvalidInput(HTTPException):
    """All that does not fit in one request: a 422 with the list in the member `errors` of its problem details."""

    def __init__(self, errors: Sequence[InputError]) -> None:
        self.errors = tuple(errors[:MOST_ERRORS])
        first = self.errors[0]
        more = f" (and {len(self.errors) - 1} more)" if len(self.errors) > 1 else ""
        super().__init__(422, f"{first.path}: {first.message}{more}")
        self.members = {"errors": self.errors}


async def all_misfits(ctx: Any, leaves: Sequence[Leaf], first: Unfit) -> InvalidInput:
    """Everything that does not fit, `first` having ended the call. Nothing but input is read: no dependency runs again.

    Raises:
        HTTPException: an input is so wrong that it has a status of its own (400, 413, 415).
        PeerError: likewise.
    """
    errors: list[InputError] = []
    for leaf in leaves:
        try:
            found = leaf.misfit(ctx) if leaf.misfit is not None else None
            if inspect.isawaitable(found):
                await found
        except Unfit as misfit:
            errors += [error for error in misfit.errors if error not in errors]
        if len(errors) >= MOST_ERRORS:
            break
    return InvalidInput(errors or first.errors)
