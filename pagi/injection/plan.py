"""What has to be made for a call, in which order, and whether it may be: circles and lifetimes are judged here, at build."""

from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from inspect import Parameter
from typing import Any, TypeAlias

from pagi.gateway.annotations import name_of, parameters_of
from pagi.injection.errors import DependencyCycle, LifetimeViolation
from pagi.injection.makers import Maker, parameters_by_name
from pagi.injection.providers import LIFETIMES, Lifetime


@dataclass(frozen=True, slots=True)
class Leaf:
    """An argument that is read off the exchange: the context, or something that the client sent."""

    template: str
    """An expression of `ctx`, in which `{0}` stands for `value`: `"ctx"`, `"{0}(ctx)"`, `"await {0}(ctx)"`."""
    value: Any = None
    what: str = "a part of the exchange"
    """How errors call it."""
    lifetime: Lifetime = "request"
    """`app` for what is there before any exchange."""
    misfit: Callable[[Any], Any] | None = None
    """For what the client sent: raises if it does not fit, to find out all that is wrong with a request. May be async."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """An argument that has to be made."""

    maker: Maker
    cached: bool = True


Choice: TypeAlias = Leaf | Wanted | None
"""Where an argument comes from; None: it is left out, and its default holds."""

Classify: TypeAlias = Callable[[Callable[..., Any], Parameter, Maker | None], Choice]
"""Decides for a parameter of a function, which the maker stands for; None: it is the planned function itself.

Raises a ConfigError where nothing fits.
"""


@dataclass(slots=True)
class Argument:
    """A parameter and where its value comes from."""

    name: str
    source: "Leaf | Step"
    is_positional: bool


@dataclass(slots=True, eq=False)
class Step:
    """One value to be made."""

    maker: Maker
    arguments: list[Argument] = field(default_factory=list[Argument])
    is_cached: bool = True


@dataclass(slots=True)
class Plan:
    """One call and all that it needs, dependencies first."""

    function: Callable[..., Any]
    arguments: list[Argument]
    steps: list[Step]
    """What is made for the call, each after what it needs itself. What is made anew for each that asks stands there only
    where the function itself does."""

    def all_steps(self) -> Iterator[Step]:
        """Every step, with those that only other steps ask for; each after what it needs."""
        for step in self.steps:
            yield from _with_own(step)

    def leaves(self) -> list[Leaf]:
        """Every argument that the client sent, in the order in which they are read."""
        arguments = [argument for step in self.all_steps() for argument in step.arguments] + self.arguments
        leaves = [argument.source for argument in arguments if isinstance(argument.source, Leaf)]
        return [leaf for leaf in leaves if leaf.misfit is not None]

    def makers(self) -> list[Maker]:
        """Everything that is made for it, directly or not."""
        return [step.maker for step in self.all_steps()]


class Planner:
    """Makes plans by one set of rules."""

    def __init__(self, classify: Classify) -> None:
        self._classify = classify

    def plan(self, function: Callable[..., Any], given: Mapping[str, Wanted] | None = None) -> Plan:
        """The plan of a call of `function`. `given` says where some parameters come from, whatever they look like.

        Raises:
            ConfigError: something cannot be made, or not for as long as it is wanted.
        """
        drawn = _Drawing(self._classify)
        arguments = drawn.arguments(function, "call", (), name_of(function), given or {})
        return Plan(function, arguments, drawn.steps)

    def resolver(self, maker: Maker) -> Plan:
        """The plan of making one value by itself, as `ctx.resolve` does.

        Raises:
            ConfigError: as `plan`.
        """
        drawn = _Drawing(self._classify)
        step = drawn.step(Wanted(maker), ())
        return Plan(given_back, [Argument("value", step, True)], drawn.steps)


def given_back(value: Any) -> Any:
    """Stands for the call in plans that are about a value alone."""
    return value


class _Drawing:
    """One plan while it is drawn."""

    def __init__(self, classify: Classify) -> None:
        self._classify = classify
        self._known: dict[Hashable, Step] = {}
        self.steps: list[Step] = []

    def arguments(
        self, function: Callable[..., Any], lifetime: Lifetime, way: tuple[Maker, ...], name: str, given: Mapping[str, Wanted]
    ) -> list[Argument]:
        """The arguments of `function`, which lives as long as `lifetime`; `way` is what led here, the outermost first."""
        by_name = parameters_by_name(function)
        drawn: list[Argument] = []
        for parameter in parameters_of(function).values():
            choice = given.get(parameter.name) or self._classify(function, parameter, way[-1] if way else None)
            if choice is None:
                by_name = True  # what comes after it must say its name
                continue
            wanted = choice.what if isinstance(choice, Leaf) else choice.maker.name
            lives = choice.lifetime if isinstance(choice, Leaf) else choice.maker.lifetime
            if LIFETIMES.index(lifetime) < LIFETIMES.index(lives):
                chain = [maker.name for maker in way] or [name]
                raise LifetimeViolation(chain, lifetime, f"{parameter.name} ({wanted})", lives)
            source = choice if isinstance(choice, Leaf) else self.step(choice, way)
            drawn.append(Argument(parameter.name, source, not by_name and parameter.kind is not Parameter.KEYWORD_ONLY))
        return drawn

    def step(self, wanted: Wanted, way: tuple[Maker, ...]) -> Step:
        """What makes one value, and before it all that it needs."""
        maker = wanted.maker
        keys = [each.key for each in way]
        if maker.key in keys:
            raise DependencyCycle([*(each.name for each in way[keys.index(maker.key) :]), maker.name])
        is_cached = wanted.cached or maker.lifetime == "app"
        if is_cached and maker.key in self._known:
            return self._known[maker.key]
        step = Step(maker, is_cached=is_cached)
        if maker.how != "value":
            step.arguments = self.arguments(maker.function, maker.lifetime, (*way, maker), maker.name, {})
        if is_cached:
            self._known[maker.key] = step
        if is_cached or not way:
            self.steps.append(step)  # in the order of the signature: a guard that is not cached keeps its place among the others
        return step


def _with_own(step: Step) -> Iterator[Step]:
    for argument in step.arguments:
        if isinstance(argument.source, Step) and not argument.source.is_cached:
            yield from _with_own(argument.source)
    yield step
