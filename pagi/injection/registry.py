"""Which maker stands for which type or function, with what replaces it in tests."""

import inspect
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pagi.http.errors import ConfigError
from pagi.injection.errors import BadProvider, DuplicateProvider
from pagi.injection.makers import Maker, key_of, provided_type
from pagi.injection.plan import Step
from pagi.injection.providers import Provider, is_provider


class Use:
    """In overrides: another function in the place of a dependency, instead of a value."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function


Overrides = Mapping[Any, Any]
"""From a provider, dependency function or type to the value, or the `Use`, that takes its place."""


class Registry:
    """The providers of one app, and those of the app it is mounted in.

    Raises:
        DuplicateProvider: two make the same type.
        BadProvider: one cannot be found by a type.
    """

    def __init__(
        self,
        providers: Sequence["Provider[Any] | type[Any] | Callable[..., Any]"] = (),
        *,
        defaults: Sequence["Provider[Any]"] = (),
        parent: "Registry | None" = None,
        overrides: Overrides | None = None,
    ) -> None:
        self._parent = parent
        self._overrides: dict[Hashable, Any] = {key_of(target): stand_in for target, stand_in in (overrides or {}).items()}
        self._by_type: dict[Hashable, Maker] = {}
        self._by_function: dict[Hashable, Maker] = {}
        for thing in providers:
            self._register(thing)
        for thing in defaults:
            if key_of(provided_type(thing)) not in self._by_type:
                self._register(thing)

    def _register(self, thing: "Provider[Any] | type[Any] | Callable[..., Any]") -> None:
        if not callable(thing):
            raise ConfigError(f"providers are functions, classes or what @provider gives; got {thing!r}")
        maker = Maker.of(thing, self)
        provided = key_of(provided_type(thing))
        known = self._by_type.get(provided)
        if known is not None:
            raise DuplicateProvider(show_type(provided), known.function, maker.function)
        self._by_type[provided] = maker
        self._by_function[maker.key] = maker

    # ---- look-ups

    def by_type(self, annotation: Any) -> Maker | None:
        """What makes the annotated type: exactly that, `Annotated` included, then without it, then `X` of `X | None`."""
        for form in _forms(annotation):
            key = key_of(form)
            replaced = self._override(key)
            known = self._known(key)
            if replaced is not None:
                # A class stands for itself, so that the override of a type finds a place even where nothing provides it.
                return _replaced(known or Maker(form if callable(form) else object, home=self), replaced)
            if known is not None:
                by_function = self._override(known.key)
                return known if by_function is None else _replaced(known, by_function)
        return None

    def by_function(self, thing: "Provider[Any] | Callable[..., Any]") -> Maker:
        """What `Depends(thing)` stands for. Known or not, the same function is the same value.

        Raises:
            BadProvider: it was seen as a plain function before, or with another scope.
        """
        key = key_of(thing)
        maker = self._function(key)
        if maker is None:
            maker = self._by_function[key] = Maker.of(thing, self)
        elif is_provider(thing) and (thing.lifetime, thing.thread) != (maker.lifetime, maker.thread):
            raise BadProvider(
                thing.function,
                f"has scope {thing.lifetime!r}, and is used as a function of scope {maker.lifetime!r} elsewhere; "
                f"give Depends(...) the provider everywhere",
            )
        replaced = self._override(key)
        if replaced is not None:
            return _replaced(maker, replaced)
        provided = next((form for form, known in self._types() if known.key == key and self._override(form) is not None), None)
        return maker if provided is None else _replaced(maker, self._override(provided))

    def makers(self) -> list[Maker]:
        """What was registered here, replaced where it is replaced."""
        return [maker for maker in (self.by_type(form) for form in self._by_type) if maker is not None]

    def found(self) -> Iterator[tuple[Hashable, Maker]]:
        """Everything that can be asked for by type, with what makes it: what is provided around, too."""
        for form, _ in self._types():
            maker = self.by_type(form)
            if maker is not None:
                yield form, maker

    def types(self) -> list[str]:
        """The names of what can be asked for by type."""
        return sorted(show_type(form) for form, _ in self._types())

    def _types(self) -> Iterator[tuple[Hashable, Maker]]:
        yield from self._by_type.items()
        if self._parent is not None:
            yield from self._parent._types()

    def _known(self, key: Hashable) -> Maker | None:
        found = self._by_type.get(key)
        return self._parent._known(key) if found is None and self._parent is not None else found

    def _function(self, key: Hashable) -> Maker | None:
        found = self._by_function.get(key)
        return self._parent._function(key) if found is None and self._parent is not None else found

    def _override(self, key: Hashable) -> "_StandIn | None":
        if key in self._overrides:
            return _StandIn(self._overrides[key])
        return self._parent._override(key) if self._parent is not None else None


class _StandIn:
    """What an override gives; wrapped, since None may be it."""

    __slots__ = ("given",)

    def __init__(self, given: object) -> None:
        self.given = given


def _replaced(maker: Maker, stand_in: "_StandIn | None") -> Maker:
    if stand_in is None:
        return maker
    given = stand_in.given
    return maker.replaced_by(given.function) if isinstance(given, Use) else maker.replaced_by_value(given)


def _forms(annotation: Any) -> Iterator[Any]:
    yield annotation
    if get_origin(annotation) is Annotated:
        annotation = annotation.__origin__
        yield annotation
    if get_origin(annotation) in (Union, UnionType):
        members = [member for member in get_args(annotation) if member is not NoneType]
        if len(members) == 1 and len(get_args(annotation)) == 2:
            yield from _forms(members[0])


def show_type(annotation: Any) -> str:
    """How errors spell a type."""
    return annotation.__name__ if inspect.isclass(annotation) and not get_args(annotation) else str(annotation)


def check_untaken(steps: Iterable[Step], overrides: Overrides, known: Overrides) -> None:
    """Refuses to replace what another value of scope `app` was made from already: half of the run would keep the old one.

    Raises:
        ConfigError: something was.
    """
    wanted = {key_of(target) for target in overrides} - {key_of(target) for target in known}
    for step in steps:
        for argument in step.arguments:
            taken = argument.source
            if isinstance(taken, Step) and taken.maker.lifetime == "app" and _names(taken.maker) & wanted:
                raise ConfigError(
                    f"{taken.maker.name} cannot be replaced any more: {step.maker.name} was made from it at start-up; "
                    f"replace it before, with TestClient(app, overrides={{...}})"
                )


def _names(maker: Maker) -> set[Hashable]:
    try:
        return {maker.key, key_of(provided_type(maker.function))}
    except ConfigError:
        return {maker.key}
