"""What the code of one route is compiled with: its context, its path, the providers, and the object its methods belong to."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pagi.context.context import Context
from pagi.context.next import Kind
from pagi.endpoints.binding import BadSignature, Binder
from pagi.endpoints.codecs import PLAIN, Codecs
from pagi.injection.makers import Maker
from pagi.injection.plan import Leaf, Plan, Planner, Wanted
from pagi.injection.registry import Registry
from pagi.routing.patterns import Pattern


@dataclass(frozen=True, slots=True)
class Owner:
    """The class whose methods are called: made anew for each exchange, or once for the run of the app (a class-based router)."""

    made_by: Maker
    cls: type[Any]

    @classmethod
    def of(cls, owner: type[Any], *, once: bool = False) -> "Owner":
        """The owner of the methods of `owner`."""
        return cls(Maker(owner, lifetime="app" if once else "request"), owner)


class Wiring:
    """Makes the plans of one route, and tells `seen` of each."""

    def __init__(
        self,
        kind: Kind,
        context_class: type[Context[Any]],
        pattern: Pattern,
        registry: Registry,
        seen: Callable[[Plan], None],
        codecs: Codecs = PLAIN,
    ) -> None:
        self.kind: Kind = kind
        self.context_class = context_class
        self.pattern = pattern
        self._registry = registry
        self._seen = seen
        self.codecs = codecs
        self.plans: list[Plan] = []
        """What was planned for this route."""

    def plan(self, function: Callable[..., Any], owner: Owner | None = None, extras: Mapping[str, Leaf] | None = None) -> Plan:
        """How `function` is called: a handler, or with `owner` one of its methods, not bound yet. `extras` are given by name.

        Raises:
            ConfigError: it asks for something that cannot be given.
        """
        cls = owner.cls if owner is not None else None
        told = (function, extras) if extras else None
        binder = Binder(self.context_class, self._registry, self.pattern, codecs=self.codecs, owner=cls, told=told)
        given: dict[str, Wanted] = {}
        if owner is not None:
            first = next(iter(inspect.signature(function).parameters), None)
            if first is None:
                raise BadSignature(function, self.pattern.text, "is a method and takes no self")
            # An http exchange calls one method, once: nobody else asks for the object.
            given[first] = Wanted(owner.made_by, cached=self.kind != "http")
        plan = Planner(binder.classify).plan(function, given)
        self.plans.append(plan)
        self._seen(plan)
        return plan


def has_open_call(plan: Plan) -> bool:
    """Something in it is open for as long as the call lasts."""
    return any(maker.lifetime == "call" and maker.is_generator for maker in plan.makers())
