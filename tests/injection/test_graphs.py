"""Random graphs of dependencies: what is compiled does what a naive reading of the rules does."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pagi import App, Depends, HTTPContext, provider
from pagi.injection.errors import LifetimeViolation
from pagi.testing import TestClient
from tests.endpoints.asking import served

SCOPES = ("app", "request", "call")


@dataclass(frozen=True)
class Node:
    """One dependency: how it is made, how long it lives, and what it needs: earlier nodes, cached or not."""

    how: str
    scope: str
    needs: tuple[tuple[int, bool], ...]


@dataclass(frozen=True)
class Graph:
    nodes: tuple[Node, ...]
    asked: tuple[tuple[int, bool], ...]
    fails: bool


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    nodes: list[Node] = []
    for index in range(draw(st.integers(1, 6))):
        edges = st.tuples(st.integers(0, index - 1), st.booleans()) if index else st.nothing()
        needs = draw(st.lists(edges, max_size=3)) if index else []
        how = draw(st.sampled_from(["plain", "async", "generator", "async generator"]))
        nodes.append(Node(how, draw(st.sampled_from(SCOPES)), tuple(needs)))
    asked = draw(st.lists(st.tuples(st.integers(0, len(nodes) - 1), st.booleans()), min_size=1, max_size=3))
    return Graph(tuple(nodes), tuple(asked), draw(st.booleans()))


class Naive:
    """The rules, read word for word: a value is made once for its scope, and closed at its end, the last one first."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.log: list[str] = []
        self.values: dict[str, dict[int, str]] = {scope: {} for scope in SCOPES}
        self.open: dict[str, list[int]] = {scope: [] for scope in SCOPES}
        self.count = 0

    def check(self, index: int) -> bool:
        """Whether what is asked for may be."""
        node = self.graph.nodes[index]
        return all(SCOPES.index(self.graph.nodes[need].scope) <= SCOPES.index(node.scope) and self.check(need) for need, _ in node.needs)

    def make(self, index: int, *, cached: bool) -> None:
        node = self.graph.nodes[index]
        kept = self.values[node.scope]
        is_cached = cached or node.scope == "app"
        if is_cached and index in kept:
            return
        self.prepare(index)
        for need, need_cached in node.needs:
            if not (need_cached or self.graph.nodes[need].scope == "app"):
                self.make(need, cached=False)
        self.log.append(f"make {index}")
        if is_cached:
            kept[index] = ""
        if "generator" in node.how:
            self.open[node.scope].append(index)

    def prepare(self, index: int) -> None:
        """What is shared is made first, also what is asked for by something that is made for this alone."""
        for need, cached in self.graph.nodes[index].needs:
            if cached or self.graph.nodes[need].scope == "app":
                self.make(need, cached=True)
            else:
                self.prepare(need)

    def close(self, scope: str, how: str) -> None:
        while self.open[scope]:
            self.log.append(f"close {self.open[scope].pop()} {how}")
        self.values[scope].clear()

    def closure(self, index: int) -> list[int]:
        """What is needed of scope app, dependencies first."""
        found: list[int] = []
        for need, _ in self.graph.nodes[index].needs:
            found += [each for each in self.closure(need) if each not in found]
        return [*found, index]


def built(graph: Graph, log: list[str]) -> tuple[App, list[Any]]:
    """The same graph as providers of an app."""
    made: list[Any] = []

    def needing(node: Node) -> dict[str, Any]:
        return {f"n{at}": Annotated[object, Depends(made[need], cached=cached)] for at, (need, cached) in enumerate(node.needs)}

    for index, node in enumerate(graph.nodes):
        made.append(provider(_function(index, node.how, needing(node), log), scope=node.scope, provides=object))  # type: ignore[call-overload]

    async def handler(ctx: HTTPContext, **needs: object) -> str:
        log.append("call")
        if graph.fails:
            raise ValueError("broken")
        return "x"

    return served(
        _shaped(handler, {f"a{at}": Annotated[object, Depends(made[each], cached=cached)] for at, (each, cached) in enumerate(graph.asked)})
    ), made


def _function(index: int, how: str, needs: dict[str, Any], log: list[str]) -> Callable[..., Any]:
    def plain(**needs: object) -> object:
        log.append(f"make {index}")
        return object()

    async def later(**needs: object) -> object:
        log.append(f"make {index}")
        return object()

    def generator(**needs: object) -> Any:
        log.append(f"make {index}")
        try:
            yield object()
        except ValueError:
            log.append(f"close {index} failed")
            raise
        log.append(f"close {index} well")

    async def async_generator(**needs: object) -> Any:
        log.append(f"make {index}")
        try:
            yield object()
        except ValueError:
            log.append(f"close {index} failed")
            raise
        log.append(f"close {index} well")

    shaped: Callable[..., Any] = _shaped(
        {"plain": plain, "async": later, "generator": generator, "async generator": async_generator}[how], needs
    )
    return shaped


def _shaped(function: Any, parameters: dict[str, Any]) -> Any:
    """Gives a function that takes anything the signature that it should have."""
    signature = inspect.signature(function)
    kept = [each for each in signature.parameters.values() if each.kind is not each.VAR_KEYWORD]
    own = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation) for name, annotation in parameters.items()]
    function.__signature__ = signature.replace(parameters=[*kept, *own])
    function.__annotations__ = {**function.__annotations__, **parameters}
    return function


@settings(deadline=None, max_examples=200)
@given(graph=graphs(), backend=st.sampled_from(["asyncio", "trio"]))
def test_a_plan_makes_and_closes_as_the_rules_say(graph: Graph, backend: str) -> None:
    log: list[str] = []
    app, _ = built(graph, log)
    naive = Naive(graph)
    if not all(naive.check(each) for each, _ in graph.asked):
        with pytest.raises(LifetimeViolation):
            app.build()
        return

    async def run() -> None:
        async with TestClient(app, raise_app_exceptions=False) as client:
            for _ in range(2):
                await client.get("/")

    anyio.run(run, backend=backend)
    for index in _app_order(graph, naive):
        naive.make(index, cached=True)
    for _ in range(2):
        # In the order of the signature, but what is needed cached stands before what asks for it.
        for each, cached in graph.asked:
            naive.make(each, cached=cached)
        naive.log.append("call")
        how = "failed" if graph.fails else "well"
        naive.close("call", how)
        naive.close("request", how)
    naive.close("app", "well")
    assert log == naive.log


def _app_order(graph: Graph, naive: Naive) -> list[int]:
    order: list[int] = []
    for each, _ in graph.asked:
        order += [index for index in naive.closure(each) if index not in order]
    return [index for index in order if graph.nodes[index].scope == "app"]
