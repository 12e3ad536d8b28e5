"""An exception taken apart for reading: its chain, its frames with their source, what the variables were. Bounded throughout."""

import itertools
import linecache
import os
import sysconfig
from collections.abc import Iterator
from types import CodeType, TracebackType
from typing import Any, Literal, cast

import msgspec

from pagi.messages.masking import Masker, is_surely_secret
from pagi.messages.shown_values import shown_named

MOST_FAILURES = 20
"""Of a chain, all members of groups counted."""
MOST_FRAMES = 40
"""Of one exception: the first of them and the last, which say most."""
FIRST_FRAMES = 10
MOST_VARIABLES = 30
MOST_MESSAGE = 4000
AROUND = 4
"""Lines of source before and after."""
MOST_LINE = 400

Relation = Literal["", "cause", "context", "member"]

_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_LIBRARIES = tuple({path + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib") if (path := sysconfig.get_path(name))})


class Frame(msgspec.Struct, frozen=True):
    """One call on the way to an exception."""

    file: str
    """Counted from the current folder, where it is in there."""
    module: str
    line: int
    function: str
    is_own: bool
    """It is the application's: neither pagi's nor that of an installed package."""
    source: list[tuple[int, str]]
    """Lines around `line`, numbered."""
    span: tuple[int, int] | None
    """Where in the line it happened, in characters."""
    variables: list[tuple[str, str]]


class Failure(msgspec.Struct, frozen=True):
    """One exception, and how it belongs to the one before."""

    relation: Relation
    depth: int
    """How many groups it is in."""
    kind: str
    message: str
    notes: list[str]
    frames: list[Frame]
    left_out: int
    """Frames that are not shown, after the first `FIRST_FRAMES`."""


def failures_of(error: BaseException, masker: Masker) -> list[Failure]:
    """The exception, then what caused it or was being handled, then the members of groups; each once, `MOST_FAILURES` at most."""
    return [
        _failure(found, relation, depth, masker) for found, relation, depth in itertools.islice(_chain(error, "", 0, set()), MOST_FAILURES)
    ]


def learn_variables(error: BaseException, masker: Masker) -> None:
    """Lets the masker hide, everywhere, what the frames of the chain hold under a name that can only be a secret's."""
    for found, _, _ in itertools.islice(_chain(error, "", 0, set()), MOST_FAILURES):
        for step in _steps(found.__traceback__)[0]:
            for name, value in step.tb_frame.f_locals.items():
                if is_surely_secret(name):
                    masker.learn(value)


def _chain(error: BaseException, relation: Relation, depth: int, seen: set[int]) -> Iterator[tuple[BaseException, Relation, int]]:
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found, relation, depth
        if isinstance(found, BaseExceptionGroup) and depth < MOST_FAILURES:
            for member in cast("BaseExceptionGroup[BaseException]", found).exceptions:
                yield from _chain(member, "member", depth + 1, seen)
        if found.__cause__ is not None:
            found, relation = found.__cause__, "cause"
        else:
            found, relation = None if found.__suppress_context__ else found.__context__, "context"


def _failure(error: BaseException, relation: Relation, depth: int, masker: Masker) -> Failure:
    steps, left_out = _steps(error.__traceback__)
    frames = [_frame(step, masker, with_variables=step is steps[-1]) for step in steps]
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        frames.append(_unparsed(error.filename, error.lineno, error.text or "", masker))
    return Failure(
        relation=relation,
        depth=depth,
        kind=_name(type(error)),
        message=masker.text(_message(error))[:MOST_MESSAGE],
        notes=[masker.text(str(note))[:MOST_MESSAGE] for note in list(getattr(error, "__notes__", None) or ())[:10]],
        frames=frames,
        left_out=left_out,
    )


def _name(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__qualname__}"


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as problem:
        return f"(its message cannot be told: {type(problem).__name__})"


def _steps(traceback: TracebackType | None) -> tuple[list[TracebackType], int]:
    """The steps to show, and how many are left out of the middle."""
    steps: list[TracebackType] = []
    while traceback is not None:
        steps.append(traceback)
        traceback = traceback.tb_next
    if len(steps) <= MOST_FRAMES:
        return steps, 0
    return steps[:FIRST_FRAMES] + steps[FIRST_FRAMES - MOST_FRAMES :], len(steps) - MOST_FRAMES


def _frame(step: TracebackType, masker: Masker, *, with_variables: bool) -> Frame:
    frame, line = step.tb_frame, step.tb_lineno
    code = frame.f_code
    is_own = _is_own(code.co_filename)
    lines = linecache.getlines(code.co_filename, frame.f_globals)
    return Frame(
        file=_shortened(code.co_filename),
        module=str(frame.f_globals.get("__name__", "")),
        line=line,
        function=code.co_qualname,
        is_own=is_own,
        source=_around(lines, line, masker),
        span=_span(code, step.tb_lasti, line, lines, masker),
        variables=_variables(frame.f_locals, masker) if is_own or with_variables else [],
    )


def _unparsed(file: str, line: int, text: str, masker: Masker) -> Frame:
    """The place of a syntax error, which no frame ever reached."""
    lines = linecache.getlines(file)
    source = _around(lines, line, masker) or [(line, masker.source(text.rstrip())[:MOST_LINE])]
    return Frame(_shortened(file), "", line, "not yet run", True, source, None, [])


def _shortened(file: str) -> str:
    try:
        return file.removeprefix(os.getcwd() + os.sep)
    except OSError:
        return file  # the current folder was removed


def _is_own(file: str) -> bool:
    if file.startswith("<"):
        return False  # the import system, or code made from a string
    path = os.path.abspath(file)
    return not path.startswith((_OURS + os.sep, *_LIBRARIES))


def _around(lines: list[str], line: int, masker: Masker) -> list[tuple[int, str]]:
    first = max(line - AROUND, 1)
    return [(number, masker.source(text.rstrip())[:MOST_LINE]) for number, text in enumerate(lines[first - 1 : line + AROUND], first)]


def _span(code: CodeType, instruction: int, line: int, lines: list[str], masker: Masker) -> tuple[int, int] | None:
    """The part of the line that was being run (PEP 657), where it is a part, and was shown as it is written."""
    if instruction < 0 or not 0 < line <= len(lines):
        return None
    first, last, start, end = next(itertools.islice(code.co_positions(), instruction // 2, None), (None,) * 4)
    text = lines[line - 1].rstrip()
    if first != line or last != line or start is None or end is None or masker.source(text) != text:
        return None
    encoded = text.encode()
    span = len(encoded[:start].decode(errors="replace")), len(encoded[:end].decode(errors="replace"))
    is_whole = text[: span[0]].strip() == "" and text[span[1] :].strip() == ""
    return None if is_whole or span[1] > MOST_LINE or span[0] >= span[1] else span


def _variables(values: dict[str, Any], masker: Masker) -> list[tuple[str, str]]:
    chosen = [name for name in values if not (name.startswith("__") and name.endswith("__"))][:MOST_VARIABLES]
    return [(name, shown_named(name, values[name], masker)) for name in chosen]
