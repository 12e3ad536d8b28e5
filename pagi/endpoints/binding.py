"""Where each parameter of a handler, or of a dependency, gets its value. Read once, at build; what nothing fits fails there."""

import inspect
from collections.abc import Callable, Mapping
from operator import attrgetter
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pagi.context.context import Context
from pagi.context.session import Session
from pagi.context.stash import Stash
from pagi.context.state import State
from pagi.endpoints.bodies import body_leaf, file_leaf, form_leaf
from pagi.endpoints.codecs import PLAIN, Codecs
from pagi.endpoints.generics import definer, substituted, type_arguments
from pagi.endpoints.inputs import (
    REQUIRED,
    NoSuchInput,
    Place,
    input_leaf,
    matched_leaf,
    path_leaf,
    path_or_query_leaf,
    query_leaf,
    spelled,
)
from pagi.endpoints.values import UnknownType, from_text, info_of, is_collection, is_scalar, is_taught, show, takes
from pagi.gateway.annotations import name_of
from pagi.http.errors import ConfigError
from pagi.injection.makers import Maker
from pagi.injection.markers import MARKERS, Body, Cookie, Depends, File, Form, Header, Input, Path, Query
from pagi.injection.plan import Choice, Leaf, Wanted
from pagi.injection.registry import Registry
from pagi.messages.opening import Opening
from pagi.messages.request import WithBody
from pagi.routing.converters import STR
from pagi.routing.patterns import Parameter, Pattern

_PLACES: dict[type[Input], Place] = {Query: "query", Header: "header", Cookie: "cookie"}


class BadSignature(ConfigError):
    """A handler or dependency asks for something that cannot be given."""

    def __init__(self, function: object, path: str, problem: str) -> None:
        super().__init__(f"{name_of(function)}, registered for {path}: {problem}")


class Binder:
    """The rules of one route: its context, its path, and what the app provides. The first rule that fits wins."""

    def __init__(
        self,
        context_class: type[Context[Any]],
        registry: Registry,
        pattern: Pattern | None = None,
        *,
        codecs: Codecs = PLAIN,
        owner: type[Any] | None = None,
        told: tuple[Callable[..., Any], Mapping[str, Leaf]] | None = None,
    ) -> None:
        self._context_class = context_class
        self._registry = registry
        self._codecs = codecs
        self._pattern = pattern
        self._path = pattern.text if pattern is not None else "ctx.resolve"
        self._parameters = {parameter.name: parameter for parameter in pattern.parameters} if pattern is not None else {}
        self._owner = owner
        """The class that the planned function is a method of: it says what stands for type variables."""
        self._told = told
        """What a function is told by name when it is called: the message, a close code."""
        self._opened = _opened(context_class)

    def classify(self, function: Callable[..., Any], parameter: inspect.Parameter, maker: Maker | None = None) -> Choice:
        """Where the value of `parameter` comes from; see `pagi.injection.plan.Classify`.

        Raises:
            BadSignature: nothing fits.
        """
        name = parameter.name
        self._check_shape(function, parameter)
        if maker is None and self._told is not None and self._told[0] is function and name in self._told[1]:
            return self._told[1][name]
        owner = self._owner if maker is None or maker.function is self._owner else None
        annotation = substituted(parameter.annotation, type_arguments(owner, definer(owner, function)) if owner is not None else {})
        # What a provider asks for is looked up where it was provided, also when it is asked for inside of a mounted app.
        registry = maker.home if maker is not None and isinstance(maker.home, Registry) else self._registry
        # Before there are clients nothing comes from one: an option of what is made when the app starts keeps its default.
        is_option = maker is not None and maker.lifetime == "app" and parameter.default is not REQUIRED
        try:
            choice = self._by_marker(name, annotation, parameter.default, registry)
            return choice or self._by_type(name, annotation, parameter.default, registry, is_option=is_option)
        except (UnknownType, NoSuchInput) as error:
            raise BadSignature(function, self._path, f"{name}: {error}") from error
        except _Misfit as error:
            raise BadSignature(function, self._path, str(error)) from error.__cause__

    def _check_shape(self, function: Callable[..., Any], parameter: inspect.Parameter) -> None:
        name, problem = parameter.name, None
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            problem = f"*{name} cannot be filled; name what is needed, or wrap with functools.wraps"
        elif parameter.kind is parameter.POSITIONAL_ONLY:
            problem = f"{name} is positional-only, arguments go by name; remove the '/'"
        elif _is_marker(parameter.default):
            problem = f"{name} has {_shown(parameter.default)} as its default; write {name}: Annotated[..., {_shown(parameter.default)}]"
        if problem is not None:
            raise BadSignature(function, self._path, problem)

    # ---- rule 1: a marker

    def _by_marker(self, name: str, annotation: Any, default: Any, registry: Registry) -> Leaf | Wanted | None:
        if get_origin(annotation) is not Annotated:
            return None
        plain, *metadata = get_args(annotation)
        markers = [each for each in metadata if _is_marker(each)]
        if not markers:
            return None
        if len(markers) > 1:
            raise _Misfit(f"{name} has {len(markers)} markers, {' and '.join(map(_shown, markers))}; keep one")
        marker = _instance(markers[0])
        if isinstance(marker, Depends):
            return Wanted(registry.by_function(marker.function), marker.cached)
        rest = [each for each in metadata if each is not markers[0]]
        meant = Annotated[(plain, *rest)] if rest else plain
        return self._input(name, marker, meant, default)

    def _input(self, name: str, marker: Input, annotation: Any, default: Any) -> Leaf:
        wire = marker.alias
        if isinstance(marker, Path):
            parameter = self._parameters.get(wire or name)
            if parameter is None and self._pattern is not None:
                there = f"{', '.join(self._parameters)} are" if self._parameters else "nothing is"
                raise _Misfit(f"{name} is to come from the path, which has no parameter {wire or name!r}; {there} there")
            return self._path_parameter(parameter, annotation) if parameter else matched_leaf(wire or name, annotation, self._codecs)
        place = _PLACES.get(type(marker))
        if place is not None:
            return input_leaf(place, wire or spelled(place, name), annotation, default, self._codecs)
        opened = self._with_body(name)
        if isinstance(marker, Body):
            return body_leaf(annotation, default, opened, self._codecs)
        if isinstance(marker, File):
            return file_leaf(wire or name, annotation, default, opened)
        if isinstance(marker, Form):
            return form_leaf(wire or name, annotation, default, opened, self._codecs)
        raise _Misfit(f"{name}: {marker!r} is none of the markers")

    # ---- rules 2 to 7

    def _by_type(self, name: str, annotation: Any, default: Any, registry: Registry, *, is_option: bool) -> Choice:
        if (annotation is REQUIRED and name == "ctx") or self._is_context(name, annotation):
            return Leaf("ctx", what=f"the context ({self._context_class.__name__})")
        door = _door(annotation, self._context_class)
        if door is not None:
            return door
        if name in self._parameters:
            return self._path_parameter(self._parameters[name], annotation)
        maker = registry.by_type(annotation)
        if maker is not None:
            return Wanted(maker)
        if is_option:
            return None
        if annotation is REQUIRED:
            if default is not REQUIRED:
                return None
            raise _Misfit(self._unknown(name, annotation, registry))
        if name == "body":
            return body_leaf(annotation, default, self._with_body(name), self._codecs)
        if _speaks_of_text(annotation):
            leaf = path_or_query_leaf if self._pattern is None else query_leaf
            return leaf(name, annotation, default, self._codecs)
        if default is None and NoneType in _members(annotation):
            return None
        raise _Misfit(self._unknown(name, annotation, registry))

    def _is_context(self, name: str, annotation: Any) -> bool:
        members = _members(annotation)
        if members and all(_is_context_class(get_origin(member) or member) for member in members):
            # A dependency of handlers of several kinds.
            if not any(issubclass(self._context_class, get_origin(member) or member) for member in members):
                raise _Misfit(f"{name}: {show(annotation)} was asked for, but this route's context is {self._context_class.__name__}")
            return True
        plain = get_origin(annotation) or annotation
        if not _is_context_class(plain):
            return False
        if not issubclass(self._context_class, plain):
            raise _Misfit(f"{name}: {plain.__name__} was asked for, but this route's context is {self._context_class.__name__}")
        return True

    def _path_parameter(self, parameter: Parameter, annotation: Any) -> Leaf:
        name, converter = parameter.name, parameter.converter
        if annotation in (REQUIRED, Any) or annotation is converter.type or converter.type in _members(annotation):
            return path_leaf(name, None)
        info = info_of(annotation, self._codecs)
        if not (is_scalar(info) or is_taught(info)):
            raise NoSuchInput(f"text cannot become {show(annotation)}: a path parameter is a scalar")
        if converter is not STR and not takes(info, converter.type):
            gives = f"{{{name}:{converter.name}}} gives {converter.type.__name__}"
            raise _Misfit(f"{name} is annotated {show(annotation)}, but {gives}")
        return path_leaf(name, from_text(annotation, info, f"path.{name}", self._codecs))

    def _with_body(self, name: str) -> Callable[[Any], WithBody]:
        if self._opened is None:
            raise _Misfit(f"{name} is to come from a body, and a WebSocket has none: receive messages instead")
        return self._opened

    def _unknown(self, name: str, annotation: Any, registry: Registry) -> str:
        spelled_out = "has no annotation" if annotation is REQUIRED else f"is annotated {show(annotation)}"
        path = (
            f"the path's parameters ({', '.join(self._parameters)})" if self._parameters else "path parameters, of which this path has none"
        )
        provided = f"what is provided ({', '.join(registry.types()) or 'nothing'})"
        return (
            f"{name} {spelled_out} and can be given nothing; there are the context ({self._context_class.__name__} or a base of it), "
            f"{path}, and {provided}. Add a provider to App(providers=[...]), or say where it comes from: "
            f"Annotated[..., Depends(function)], or one of Query(), Header(), Cookie(), Body(), Form()"
        )


class _Misfit(Exception):
    """What is wrong with a parameter, before it is said with whose it is."""


def _is_marker(thing: object) -> bool:
    return isinstance(thing, MARKERS) or (inspect.isclass(thing) and issubclass(thing, MARKERS))


def _shown(marker: object) -> str:
    return marker.__name__ if inspect.isclass(marker) else repr(marker)


def _is_context_class(thing: object) -> bool:
    return inspect.isclass(thing) and issubclass(thing, Context)


def _instance(marker: Any) -> Any:
    if not inspect.isclass(marker):
        return marker
    if marker is Depends:
        raise _Misfit("Depends names no function; write Depends(function)")
    return marker()


def _speaks_of_text(annotation: Any) -> bool:
    try:
        info = info_of(annotation)
    except UnknownType:
        return False
    return is_scalar(info) or is_collection(info)


def _members(annotation: object) -> tuple[Any, ...]:
    """The members of a union; empty for any other annotation."""
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else ()


def _door(annotation: object, context_class: type[Context[Any]]) -> Leaf | None:
    """How to reach what the context opens a door to: Request, WebSocket, SSE, Stash, Session and State."""
    if annotation is Stash:
        return Leaf("ctx.stash", what="the stash")
    if annotation is Session:
        return Leaf("ctx.session", what="the session")
    if annotation is State:
        return Leaf("ctx.state", what="the state", lifetime="app")
    if inspect.isclass(annotation) and issubclass(annotation, Opening):
        for name in ("request", "websocket", "sse"):
            member = getattr(context_class, name, None)
            if isinstance(member, property) and member.fget and issubclass(member.fget.__annotations__["return"], annotation):
                return Leaf(f"ctx.{name}", what=f"the {name}")
        raise _Misfit(f"{annotation.__name__} was asked for, which {context_class.__name__} does not open")
    return None


def _opened(context_class: type[Context[Any]]) -> Callable[[Any], WithBody] | None:
    for name in ("request", "sse"):
        if hasattr(context_class, name):
            return attrgetter(name)
    return None
