"""`ctx.resolve`: what injection can make outside of any handler, compiled when the app is built."""

from collections.abc import Callable, Hashable, Mapping
from inspect import isroutine
from typing import Any

from pagi.context.context import Context
from pagi.context.next import Kind
from pagi.endpoints.binding import BadSignature, Binder
from pagi.endpoints.codecs import PLAIN, Codecs
from pagi.gateway.annotations import name_of
from pagi.injection.errors import NotResolvable, NotResolvableHere
from pagi.injection.makers import Maker, key_of
from pagi.injection.plan import Plan, Planner
from pagi.injection.providers import is_provider
from pagi.injection.registry import Registry, show_type
from pagi.injection.source import compile_plan

_SHARED = "ctx.resolve cannot share {}: it has scope 'call', and each call has its own; give it scope 'request', or take it there"


class Resolvers:
    """A function for each kind and each thing that can be made."""

    def __init__(self, registry: Registry, codecs: Codecs = PLAIN) -> None:
        self._registry = registry
        self._codecs = codecs
        self._calls: dict[tuple[str, Hashable], Callable[[Any], Any] | str] = {}
        """By kind, and by the type or the function that is asked for; a text says why it cannot be made there."""

    def compile(
        self, maker: Maker, contexts: Mapping[Kind, type[Context[Any]]], saw: Callable[[Plan], None], *, is_needed: bool = False
    ) -> None:
        """Compiles the making of one value for every kind, and tells `saw` of each plan.

        What asks for a context or a body that a kind does not have, or for a parameter that only some paths have, cannot be made
        there, and says so to whoever asks for it.

        Raises:
            ConfigError: it can never be made; for what cannot be made here, only where that `is_needed`.
        """
        misfits: list[BadSignature] = []
        for kind, context_class in contexts.items():
            try:
                plan = Planner(Binder(context_class, self._registry, codecs=self._codecs).classify).resolver(maker)
            except BadSignature as error:
                misfits.append(error)
                self._calls[kind, maker.key] = str(error)  # not the error: it would keep the frames of the build
            else:
                saw(plan)
                self._calls[kind, maker.key] = _SHARED.format(maker.name) if maker.lifetime == "call" else _compiled(plan)
        if is_needed and len(misfits) == len(contexts):
            raise misfits[0]

    def name_types(self, contexts: Mapping[Kind, type[Context[Any]]]) -> None:
        """Everything was compiled: from now on it is found by its type too, without another look at what is provided."""
        for form, maker in self._registry.found():
            for kind in contexts:
                self._calls[kind, form] = self._calls[kind, maker.key]

    async def resolve(self, ctx: Any, wanted: Any) -> Any:
        """What `wanted`, a type, provider or dependency, stands for in this exchange.

        Raises:
            NotResolvable: nothing was known about it when the app was built.
            NotResolvableHere: it cannot be made on this kind, for this path, or outside of a call.
        """
        kind, key = ctx.type, key_of(wanted)
        call = self._calls.get((kind, key))
        if call is None:
            maker = self._registry.by_type(wanted)
            call = self._calls.get((kind, maker.key)) if maker is not None else None
        if call is None:
            raise NotResolvable(_shown(wanted), self._registry.types())
        if isinstance(call, str):
            raise NotResolvableHere(call)
        return await call(ctx)


def _compiled(plan: Plan) -> Callable[[Any], Any]:
    compiled = compile_plan(plan)
    return compiled.call if compiled.is_async else _as_async(compiled.call)


def _shown(wanted: Any) -> str:
    if is_provider(wanted):
        wanted = wanted.function
    return name_of(wanted) if isroutine(wanted) else show_type(wanted)


def _as_async(call: Callable[[Any], Any]) -> Callable[[Any], Any]:
    async def resolved(ctx: Any) -> Any:
        return call(ctx)

    return resolved
