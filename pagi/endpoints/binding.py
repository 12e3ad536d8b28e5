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
from pagi.endpoints.generics import substituted
from pagi.endpoints.inputs import REQUIRED, NoSuchInput, Place, input_leaf, path_leaf, path_or_query_leaf, spelled
from pagi.endpoints.values import UnknownType, from_text, info_of, is_collection, is_scalar, show
from pagi.gateway.annotations import name_of
from pagi.http.errors import ConfigError
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
        types: Mapping[Any, Any] | None = None,
        extras: Mapping[Callable[..., Any], Mapping[str, Leaf]] | None = None,
    ) -> None:
        self._context_class = context_class
        self._registry = registry
        self._pattern = pattern
        self._path = pattern.text if pattern is not None else "ctx.resolve"
        self._parameters = {parameter.name: parameter for parameter in pattern.parameters} if pattern is not None else {}
        self._types = types or {}
        """What stands for type variables."""
        self._extras = extras or {}
        """What some functions are told by name when they are called: the message, a close code."""
        self._opened = _opened(context_class)

    def classify(self, function: Callable[..., Any], parameter: inspect.Parameter) -> Choice:
        """Where the value of `parameter` comes from; see `pagi.injection.plan.Classify`.

        Raises:
            BadSignature: nothing fits.
        """
        name = parameter.name
        self._check_shape(function, parameter)
        extra = self._extras.get(function, {}).get(name)
        if extra is not None:
            return extra
        annotation = substituted(parameter.annotation, self._types)
        try:
            return self._by_marker(name, annotation, parameter.default) or self._by_type(name, annotation, parameter.default)
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
        elif isinstance(parameter.default, MARKERS):
            problem = f"{name} has {parameter.default!r} as its default; write {name}: Annotated[..., {parameter.default!r}]"
        if problem is not None:
            raise BadSignature(function, self._path, problem)

    # ---- rule 1: a marker

    def _by_marker(self, name: str, annotation: Any, default: Any) -> Leaf | Wanted | None:
        if get_origin(annotation) is not Annotated:
            return None
        plain, *metadata = get_args(annotation)
        markers = [each for each in metadata if isinstance(each, MARKERS) or (inspect.isclass(each) and issubclass(each, MARKERS))]
        if not markers:
            return None
        if len(markers) > 1:
            raise _Misfit(f"{name} has {len(markers)} markers, {' and '.join(map(repr, markers))}; keep one")
        marker = _instance(markers[0])
        if isinstance(marker, Depends):
            return Wanted(self._registry.by_function(marker.function), marker.cached)
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
            return self._path_parameter(parameter, annotation) if parameter else path_or_query_leaf(wire or name, annotation, default)
        place = _PLACES.get(type(marker))
        if place is not None:
            return input_leaf(place, wire or spelled(place, name), annotation, default)
        opened = self._with_body(name)
        if isinstance(marker, Body):
            return body_leaf(annotation, default, opened)
        if isinstance(marker, File):
            return file_leaf(wire or name, annotation, default, opened)
        if isinstance(marker, Form):
            return form_leaf(wire or name, annotation, default, opened)
        raise _Misfit(f"{name}: {marker!r} is none of the markers")

    # ---- rules 2 to 7

    def _by_type(self, name: str, annotation: Any, default: Any) -> Choice:
        if (annotation is REQUIRED and name == "ctx") or self._is_context(name, annotation):
            return Leaf("ctx", what=f"the context ({self._context_class.__name__})")
        door = _door(annotation, self._context_class)
        if door is not None:
            return door
        if name in self._parameters:
            return self._path_parameter(self._parameters[name], annotation)
        maker = self._registry.by_type(annotation)
        if maker is not None:
            return Wanted(maker)
        if annotation is REQUIRED:
            if default is not REQUIRED:
                return None
            raise _Misfit(self._unknown(name, annotation))
        if name == "body":
            return body_leaf(annotation, default, self._with_body(name))
        if _speaks_of_text(annotation):
            if self._pattern is None:
                return path_or_query_leaf(name, annotation, default)
            return input_leaf("query", name, annotation, default)
        if default is None and NoneType in _members(annotation):
            return None
        raise _Misfit(self._unknown(name, annotation))

    def _is_context(self, name: str, annotation: Any) -> bool:
        plain = get_origin(annotation) or annotation
        if not (inspect.isclass(plain) and issubclass(plain, Context)):
            return False
        if not issubclass(self._context_class, plain):
            raise _Misfit(f"{name}: {plain.__name__} was asked for, but this route's context is {self._context_class.__name__}")
        return True

    def _path_parameter(self, parameter: Parameter, annotation: Any) -> Leaf:
        name, converter = parameter.name, parameter.converter
        if annotation in (REQUIRED, Any) or annotation is converter.type or converter.type in _members(annotation):
            return path_leaf(name, None)
        if converter is not STR:
            gives = f"{{{name}:{converter.name}}} gives {converter.type.__name__}"
            raise _Misfit(f"{name} is annotated {show(annotation)}, but {gives}")
        info = info_of(annotation)
        if not is_scalar(info):
            raise NoSuchInput(f"text cannot become {show(annotation)}: a path parameter is a scalar")
        return path_leaf(name, from_text(annotation, info, f"path.{name}"))

    def _with_body(self, name: str) -> Callable[[Any], WithBody]:
        if self._opened is None:
            raise _Misfit(f"{name} is to come from a body, and a WebSocket has none: receive messages instead")
        return self._opened

    def _unknown(self, name: str, annotation: Any) -> str:
        spelled_out = "has no annotation" if annotation is REQUIRED else f"is annotated {show(annotation)}"
        path = (
            f"the path's parameters ({', '.join(self._parameters)})" if self._parameters else "path parameters, of which this path has none"
        )
        provided = f"what is provided ({', '.join(self._registry.types()) or 'nothing'})"
        return (
            f"{name} {spelled_out} and can be given nothing; there are the context ({self._context_class.__name__} or a base of it), "
            f"{path}, and {provided}. Add a provider to App(providers=[...]), or say where it comes from: "
            f"Annotated[..., Depends(function)], or one of Query(), Header(), Cookie(), Body(), Form()"
        )


class _Misfit(Exception):
    """What is wrong with a parameter, before it is said with whose it is."""


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
