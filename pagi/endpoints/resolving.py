"""`ctx.resolve`: what injection can make outside of any handler, compiled when the app is built."""

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any

from pagi.context.context import Context
from pagi.context.next import Kind
from pagi.endpoints.binding import BadSignature, Binder
from pagi.http.errors import ConfigError
from pagi.injection.errors import NotResolvable
from pagi.injection.makers import Maker, key_of
from pagi.injection.plan import Planner
from pagi.injection.registry import Registry, show_type
from pagi.injection.source import compile_plan


class Resolvers:
    """A function for each kind and each thing that can be made."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._calls: dict[tuple[str, Hashable], Callable[[Any], Any] | ConfigError] = {}

    def compile(self, contexts: Mapping[Kind, type[Context[Any]]], makers: Iterable[Maker]) -> None:
        """Compiles the making of each of these for every kind.

        What asks for a context or a body that a kind does not have cannot be made there, and says so to whoever asks for it.

        Raises:
            ConfigError: something can be made nowhere.
        """
        planners = {kind: Planner(Binder(context_class, self._registry).classify) for kind, context_class in contexts.items()}
        for maker in makers:
            misfits: list[BadSignature] = []
            for kind, planner in planners.items():
                try:
                    compiled = compile_plan(planner.resolver(maker))
                except BadSignature as error:
                    misfits.append(error)
                    self._calls[kind, maker.key] = error
                else:
                    self._calls[kind, maker.key] = compiled.call if compiled.is_async else _as_async(compiled.call)
            if len(misfits) == len(planners):
                raise misfits[0]

    async def resolve(self, ctx: Any, wanted: Any) -> Any:
        """What `wanted`, a type, provider or dependency, stands for in this exchange.

        Raises:
            NotResolvable: nothing was known about it when the app was built.
            ConfigError: it cannot be made on this kind.
        """
        maker = self._registry.by_type(wanted)
        key = maker.key if maker is not None else key_of(wanted)
        call = self._calls.get((ctx.type, key))
        if call is None:
            raise NotResolvable(show_type(wanted), self._registry.types())
        if isinstance(call, ConfigError):
            raise call
        return await call(ctx)


def _as_async(call: Callable[[Any], Any]) -> Callable[[Any], Any]:
    async def resolved(ctx: Any) -> Any:
        return call(ctx)

    return resolved
