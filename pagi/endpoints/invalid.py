"""Input that does not fit: the first misfit ends the call, then all that is wrong with the request is found and said at once."""

import inspect
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, get_args, get_origin

import msgspec
from typing_extensions import TypeIs

from pagi.http.errors import PeerError
from pagi.injection.plan import Leaf
from pagi.messages.problems import HTTPException

MOST_ERRORS = 20
"""How many misfits of one request are told."""

_PATH = re.compile(r" - at `\$(?P<path>[^`]*)`$")


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


# ---- inside a decoded value


def misfits(value: Any, annotation: Any, path: str, told: str, *, strict: bool = True) -> list[InputError]:
    """Each part of `value` that does not fit, where `told` is what msgspec said of the first one alone."""
    found = list(itertools.islice(_misfits(value, annotation, path, strict), MOST_ERRORS))
    return found or [_located(told, path)]


def _misfits(value: Any, annotation: Any, path: str, strict: bool) -> Iterator[InputError]:
    inner: Iterator[InputError] = iter(())
    plain = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    if _is_object(value) and inspect.isclass(plain) and issubclass(plain, msgspec.Struct):
        inner = _of_struct(value, plain, path, strict)
    elif _is_array(value) and get_origin(plain) is list:
        inner = itertools.chain.from_iterable(
            _misfits(item, get_args(plain)[0], f"{path}[{index}]", strict) for index, item in enumerate(value)
        )
    found = False
    for error in inner:
        found = True
        yield error
    if not found:
        try:
            msgspec.convert(value, annotation, strict=strict)
        except msgspec.ValidationError as error:
            yield _located(str(error), path)


def _is_object(value: object) -> TypeIs[dict[str, Any]]:
    return isinstance(value, dict)


def _is_array(value: object) -> TypeIs[list[Any]]:
    return isinstance(value, list)


def _of_struct(record: dict[str, Any], struct: type[msgspec.Struct], path: str, strict: bool) -> Iterator[InputError]:
    fields = msgspec.structs.fields(struct)
    for field in fields:
        place = f"{path}.{field.encode_name}"
        if field.encode_name in record:
            yield from _misfits(record[field.encode_name], field.type, place, strict)
        elif field.required:
            yield InputError(place, "is required")
    if struct.__struct_config__.forbid_unknown_fields:
        known = {field.encode_name for field in fields} | {struct.__struct_config__.tag_field}
        yield from (InputError(f"{path}.{name}", "is not known here") for name in record if name not in known)


def _located(told: str, path: str) -> InputError:
    found = _PATH.search(told)
    return InputError(path + found["path"], told[: found.start()]) if found else InputError(path, told)
