"""Turns a plan into one function, by writing its text: what is known at build is not looked up while serving.

Only names coined here stand in the text (and the names of keyword arguments, which Python says are identifiers); every
value comes in by the namespace. The text is kept in `linecache`, so that tracebacks show it.
"""

import inspect
import itertools
import linecache
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pagi.injection.opened import Opened
from pagi.injection.plan import Argument, Leaf, Plan, Step
from pagi.injection.scopes import app_values, enter_request, in_worker

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Compiled:
    """A plan as a function of the context, and of what else the call is told."""

    call: Callable[..., Any]
    """Gives what the planned function gives; where `is_async`, a coroutine of it."""
    is_async: bool
    plan: Plan


def compile_plan(
    plan: Plan,
    *,
    extras: Sequence[str] = (),
    awaited: bool = False,
    threaded: Callable[..., Any] | None = None,
    handed_on: bool = False,
    before: Callable[[Any], object] | None = None,
) -> Compiled:
    """Writes the function `call(ctx, *extras)`.

    `awaited`: the planned function is async, and the result is what it gives in the end. `threaded(function, ...)` calls a plain
    function in a worker thread. With `handed_on` the function takes `use` as its last argument, and awaits `use(result)` while
    everything of scope `call` is still open. `before(ctx)` is called when all arguments are there, just before the call.
    """
    if not (extras or threaded or handed_on or before) and _takes_the_context_alone(plan):
        return Compiled(plan.function, False, plan)
    writer = _Writer(plan, extras, awaited=awaited, threaded=threaded, handed_on=handed_on, before=before)
    return Compiled(writer.function(), writer.is_async, plan)


def _takes_the_context_alone(plan: Plan) -> bool:
    """The function is called just as the compiled one would be, as many handlers are: then it stands for itself."""
    if plan.steps or len(plan.arguments) != 1:
        return False
    (argument,) = plan.arguments
    return argument.is_positional and isinstance(argument.source, Leaf) and argument.source.template == "ctx"


class _Writer:
    """The text of one function while it is written."""

    def __init__(
        self,
        plan: Plan,
        extras: Sequence[str],
        *,
        awaited: bool,
        threaded: Callable[..., Any] | None,
        handed_on: bool,
        before: Callable[[Any], object] | None,
    ) -> None:
        self._plan = plan
        self._extras = extras
        self._awaited = awaited
        self._threaded = threaded
        self._handed_on = handed_on
        self._before = before
        self._lines: list[str] = []
        self._depth = 1
        self._names = itertools.count(1)
        self._namespace: dict[str, Any] = {"MISSING": object()}
        self._places: dict[int, str] = {}
        self._needs_app = self._needs_made = False
        self._waits = False
        """Something before the call itself has to be awaited."""

    @property
    def is_async(self) -> bool:
        return self._waits

    def function(self) -> Callable[..., Any]:
        """The function."""
        for step in self._plan.steps:
            if not _is_there(step):
                self._step(step)
        call = self._call(self._plan.function, self._plan.arguments, self._threaded)
        if self._before is not None:
            self._write(f"{self._coin(self._before)}(ctx)")
        if self._handed_on:
            self._waits = True
            self._write(f"return await use({call})")
        elif self._threaded is not None:
            self._waits = True
            self._write(f"return await {call}")
        else:
            # Where nothing was awaited, whoever calls awaits what the function itself gives: one coroutine less.
            self._write(f"return await {call}" if self._awaited and self._waits else f"return {call}")
        parameters = ", ".join(["ctx", *self._extras, *(["use"] if self._handed_on else [])])
        text = "\n".join([f"{'async ' if self._waits else ''}def call({parameters}):", *self._header(), *self._lines, ""])
        return _written(text, self._namespace)

    def _header(self) -> list[str]:
        """What is looked up once, if any step needs it."""
        header: list[str] = []
        if self._needs_app:
            header.append(f"    app = {self._coin(app_values)}(ctx)")
        if self._needs_made:
            header.append("    made = ctx.made")
            header.append("    if made is None: made = ctx.made = {}")
        return header

    # ---- steps

    def _step(self, step: Step) -> str:
        """Writes what makes one value, and gives the name it then has."""
        maker, place = step.maker, self._name()
        if maker.lifetime == "request" and step.is_cached:
            self._needs_made = True
            key = self._coin(maker.key)
            self._write(f"{place} = made.get({key}, MISSING)")
            self._write(f"if {place} is MISSING:")
            with self._indented():
                self._make(step, place)
                self._write(f"made[{key}] = {place}")
        else:
            self._make(step, place)
        self._places[id(step)] = place
        return place

    def _make(self, step: Step, place: str) -> None:
        maker = step.maker
        in_thread = maker.thread and not maker.is_generator
        call = self._call(maker.function, step.arguments, in_worker if in_thread else None)
        if maker.is_generator and maker.lifetime == "call":
            self._waits = True
            # Everything after it stands inside: it is closed when the call is over.
            self._write(f"async with {self._coin(Opened)}({self._coin(maker.function)}, {call}, thread={maker.thread}) as {place}:")
            self._depth += 1
        elif maker.is_generator:
            self._waits = True
            entered = f"{self._coin(enter_request)}(ctx, {self._coin(maker.function)}, {call}, {maker.thread})"
            self._write(f"{place} = await {entered}")
        elif maker.how == "async" or maker.thread:
            self._waits = True
            self._write(f"{place} = await {call}")
        else:
            self._write(f"{place} = {call}")
            if not inspect.isclass(maker.function):
                # A plain function may still give something to await: a lambda around a coroutine does.
                self._waits = True
                self._write(f"if hasattr({place}, '__await__'): {place} = await {place}")

    # ---- expressions

    def _call(self, function: Callable[..., Any], arguments: list[Argument], worker: Callable[..., Any] | None = None) -> str:
        values = {argument.name: self._made(argument.source) for argument in arguments if isinstance(argument.source, Step)}
        # What the client sent is judged after everything was made: a dependency may refuse before anybody looks at it.
        values |= {argument.name: self._read(argument.source) for argument in arguments if isinstance(argument.source, Leaf)}
        written = [values[each.name] if each.is_positional else f"{each.name}={values[each.name]}" for each in arguments]
        if worker is not None:
            return f"{self._coin(worker)}({', '.join([self._coin(function), *written])})"
        return f"{self._coin(function)}({', '.join(written)})"

    def _made(self, step: Step) -> str:
        if step.maker.how == "value":
            return self._coin(step.maker.value)
        if step.maker.lifetime == "app":
            self._needs_app = True
            return f"app[{self._coin(step.maker.key)}]"
        return self._places.get(id(step)) or self._step(step)

    def _read(self, leaf: Leaf) -> str:
        expression = leaf.template.format(self._coin(leaf.value)) if "{0}" in leaf.template else leaf.template
        is_awaited = expression.startswith("await ")
        if not is_awaited and (self._before is None or leaf.misfit is None):
            return expression
        self._waits |= is_awaited
        place = self._name()
        self._write(f"{place} = {expression}")
        return place

    # ---- the text

    def _coin(self, value: Any) -> str:
        name = f"k{next(self._names)}"
        self._namespace[name] = value
        return name

    def _name(self) -> str:
        return f"v{next(self._names)}"

    def _write(self, line: str) -> None:
        self._lines.append("    " * self._depth + line)

    @contextmanager
    def _indented(self) -> Generator[None]:
        self._depth += 1
        yield
        self._depth -= 1


def _is_there(step: Step) -> bool:
    """It need not be made any more when the call comes."""
    return step.maker.lifetime == "app" or step.maker.how == "value"


def _written(text: str, namespace: dict[str, Any]) -> Callable[..., Any]:
    filename = f"<pagi plan {next(_numbers)}>"
    # Without a modification time, `linecache` never looks for a file of that name.
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    exec(compile(text, filename, "exec"), namespace)  # noqa: S102 -- see the module's docstring for what stands in the text
    call: Callable[..., Any] = namespace["call"]
    return call
