"""Turns a plan into one function, by writing its text: what is known at build is not looked up while serving.

Only names coined here stand in the text (and the names of keyword arguments, which Python says are identifiers); every
value comes in by the namespace. The text is kept in `linecache`, so that tracebacks show it.
"""

import inspect
import itertools
import linecache
from collections.abc import Callable, Sequence
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
    plan: Plan, *, extras: Sequence[str] = (), awaited: bool = False, threaded: Callable[..., Any] | None = None, handed_on: bool = False
) -> Compiled:
    """Writes the function `call(ctx, *extras)`.

    `awaited`: the planned function is async, and the result is what it gives in the end. `threaded(function, ...)` calls a plain
    function in a worker thread. With `handed_on` the function takes `use` as its last argument, and awaits `use(result)` while
    everything of scope `call` is still open.
    """
    if not (plan.steps or extras or threaded or handed_on) and [(each.source, each.is_positional) for each in plan.arguments] == [
        (plan.arguments[0].source if plan.arguments else None, True)
    ]:
        only = plan.arguments[0].source
        if isinstance(only, Leaf) and only.template == "ctx":
            return Compiled(plan.function, False, plan)  # it takes the context and nothing else, as many do
    writer = _Writer(plan, extras, awaited=awaited, threaded=threaded, handed_on=handed_on)
    return Compiled(writer.function(), writer.is_async, plan)


class _Writer:
    """The text of one function while it is written."""

    def __init__(self, plan: Plan, extras: Sequence[str], *, awaited: bool, threaded: Callable[..., Any] | None, handed_on: bool) -> None:
        self._plan = plan
        self._extras = extras
        self._awaited = awaited
        self._threaded = threaded
        self._handed_on = handed_on
        self._lines: list[str] = []
        self._depth = 1
        self._names = itertools.count(1)
        self._namespace: dict[str, Any] = {"MISSING": object()}
        self._places: dict[int, str] = {}
        self._waits = False
        """Something before the call itself has to be awaited."""

    @property
    def is_async(self) -> bool:
        return self._waits

    def function(self) -> Callable[..., Any]:
        """The function."""
        for step in self._plan.steps:
            self._step(step)
        call = self._call(self._plan.function, self._plan.arguments)
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
        return _made(text, self._namespace)

    def _header(self) -> list[str]:
        """What is looked up once, if any step needs it."""
        header: list[str] = []
        if any(step.maker.lifetime == "app" and step.maker.how != "value" for step in self._all_steps()):
            header.append(f"    app = {self._coin(app_values)}(ctx)")
        if any(step.maker.lifetime == "request" and step.is_cached for step in self._plan.steps):
            header.append("    made = ctx.made")
            header.append("    if made is None: made = ctx.made = {}")
        return header

    def _all_steps(self) -> list[Step]:
        found: list[Step] = list(self._plan.steps)

        def look(arguments: list[Argument]) -> None:
            for argument in arguments:
                if isinstance(argument.source, Step) and not argument.source.is_cached:
                    found.append(argument.source)
                    look(argument.source.arguments)

        for step in self._plan.steps:
            look(step.arguments)
        look(self._plan.arguments)
        return found

    # ---- steps

    def _step(self, step: Step) -> str:
        """Writes what makes one value, and gives the name it then has."""
        maker = step.maker
        if maker.how == "value":
            place = self._coin(maker.value)
        elif maker.lifetime == "app":
            place = self._name()
            self._write(f"{place} = app[{self._coin(maker.key)}]")
        elif maker.lifetime == "request" and step.is_cached:
            place = self._name()
            key = self._coin(maker.key)
            self._write(f"{place} = made.get({key}, MISSING)")
            self._write(f"if {place} is MISSING:")
            with self._indented():
                self._make(step, f"{place} = made[{key}] =")
        else:
            place = self._name()
            self._make(step, f"{place} =")
        self._places[id(step)] = place
        return place

    def _make(self, step: Step, assigned: str) -> None:
        maker = step.maker
        if maker.is_generator:
            generator = self._call(maker.function, step.arguments)
            self._waits = True
            if maker.lifetime == "call":
                opened = f"{self._coin(Opened)}({self._coin(maker.function)}, {generator}, thread={maker.thread})"
                # Everything after it stands inside: it is closed when the call is over.
                self._write(f"async with {opened} as {assigned.partition(' ')[0]}:")
                self._depth += 1
            else:
                entered = f"{self._coin(enter_request)}(ctx, {self._coin(maker.function)}, {generator}, {maker.thread})"
                self._write(f"{assigned} await {entered}")
        elif maker.thread:
            self._waits = True
            arguments = self._arguments(step.arguments)
            self._write(f"{assigned} await {self._coin(in_worker)}({', '.join([self._coin(maker.function), *arguments])})")
        elif maker.how == "async":
            call = self._call(maker.function, step.arguments)
            self._waits = True
            self._write(f"{assigned} await {call}")
        else:
            self._write(f"{assigned} {self._call(maker.function, step.arguments)}")
            if not inspect.isclass(maker.function):
                # A plain function may still give something to await: a lambda around a coroutine does.
                place = assigned.partition(" ")[0]
                self._waits = True
                self._write(f"if hasattr({place}, '__await__'):")
                with self._indented():
                    self._write(f"{assigned} await {place}")

    # ---- expressions

    def _call(self, function: Callable[..., Any], arguments: list[Argument]) -> str:
        written = self._arguments(arguments)
        coined = self._coin(function)
        if self._threaded is not None and function is self._plan.function:
            return f"{self._coin(self._threaded)}({', '.join([coined, *written])})"
        return f"{coined}({', '.join(written)})"

    def _arguments(self, arguments: list[Argument]) -> list[str]:
        written: list[str] = []
        for argument in arguments:
            value = self._value(argument.source)
            written.append(value if argument.is_positional else f"{argument.name}={value}")
        return written

    def _value(self, source: Leaf | Step) -> str:
        if isinstance(source, Step):
            return self._step(source) if not source.is_cached else self._places[id(source)]
        expression = source.template.format(self._coin(source.value)) if "{0}" in source.template else source.template
        if not expression.startswith("await "):
            return expression
        self._waits = True
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
    def _indented(self) -> Any:
        self._depth += 1
        yield
        self._depth -= 1


def _made(text: str, namespace: dict[str, Any]) -> Callable[..., Any]:
    filename = f"<pagi plan {next(_numbers)}>"
    # Without a modification time, `linecache` never looks for a file of that name.
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    exec(compile(text, filename, "exec"), namespace)  # noqa: S102 -- see the module's docstring for what stands in the text
    call: Callable[..., Any] = namespace["call"]
    return call
