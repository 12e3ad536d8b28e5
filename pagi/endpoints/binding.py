"""From a handler's signature to the call: the context by its type, path parameters by their names. Read once, at build."""

import inspect
from collections.abc import Callable, Mapping
from types import NoneType, UnionType
from typing import Any, Union, cast, get_args, get_origin

import msgspec

from pagi.context.context import Context
from pagi.context.stash import Stash
from pagi.gateway.annotations import name_of, parameters_of
from pagi.http.errors import ConfigError
from pagi.messages.opening import Opening
from pagi.messages.problems import HTTPException
from pagi.routing.converters import STR
from pagi.routing.patterns import Parameter, Pattern

Call = Callable[[Any], Any]
"""Calls the handler for one context."""

_NAMELESS = inspect.Parameter.empty


class BadSignature(ConfigError):
    """A handler asks for something that cannot be given."""

    def __init__(self, handler: object, path: str, problem: str) -> None:
        super().__init__(f"{name_of(handler)}, registered for {path}: {problem}")


def bind(handler: Callable[..., Any], context_class: type[Context[Any]], pattern: Pattern) -> Call:
    """A function of the context that calls `handler` with what it names.

    Raises:
        BadSignature: a parameter can be given nothing, or a path parameter does not suit its annotation.
        UnresolvedAnnotation: an annotation exists only for the type checker.
    """
    named = {parameter.name: parameter for parameter in pattern.parameters}
    contexts, getters = list[str](), dict[str, Callable[[Any], Any]]()
    converted = dict[str, Callable[[Any], Any]]()
    plain = list[str]()
    parameters = parameters_of(handler)
    for name, parameter in parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise BadSignature(handler, pattern.text, f"*{name} cannot be filled; name what is needed, or wrap with functools.wraps")
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise BadSignature(handler, pattern.text, f"{name} is positional-only, arguments go by name; remove the '/'")
        annotation = parameter.annotation
        door = _door(annotation, context_class)
        if (annotation is _NAMELESS and name == "ctx") or _is_context(annotation, context_class):
            contexts.append(name)
        elif door is not None:
            getters[name] = door
        elif name in named:
            convert = _conversion(handler, pattern, named[name], annotation)
            if convert is None:
                plain.append(name)
            else:
                converted[name] = convert
        elif parameter.default is _NAMELESS:
            raise BadSignature(handler, pattern.text, _unknown(name, annotation, context_class, named))
    first = next((each for each in parameters.values() if each.kind is each.POSITIONAL_OR_KEYWORD), None)
    return _compile(handler, contexts, getters, converted, plain, set(named), first.name if first else None)


def _compile(
    handler: Callable[..., Any],
    contexts: list[str],
    getters: Mapping[str, Callable[[Any], Any]],
    converted: Mapping[str, Callable[[Any], Any]],
    plain: list[str],
    named: set[str],
    takes_first: str | None,
) -> Call:
    """The cheapest closure that does it: most handlers take the context, and path parameters as they are."""
    takes_all = not converted and not getters and set(plain) == named
    if takes_all and not contexts:
        return (lambda ctx: handler(**ctx.path_params)) if named else (lambda ctx: handler())
    if takes_all and len(contexts) == 1:
        name = contexts[0]
        if takes_first == name:
            # The context comes first, as it nearly always does: no wrapper, or none that has to name it.
            return (lambda ctx: handler(ctx, **ctx.path_params)) if named else handler
        return lambda ctx: handler(**{name: ctx}, **ctx.path_params)

    def call(ctx: Any) -> Any:
        values = ctx.path_params
        arguments = {name: values[name] for name in plain}
        for name in contexts:
            arguments[name] = ctx
        for name, door in getters.items():
            arguments[name] = door(ctx)
        for name, convert in converted.items():
            arguments[name] = convert(values[name])
        return handler(**arguments)

    return call


def _is_context(annotation: object, context_class: type[Context[Any]]) -> bool:
    plain = get_origin(annotation) or annotation
    return inspect.isclass(plain) and issubclass(plain, Context) and issubclass(context_class, plain)


def _door(annotation: object, context_class: type[Context[Any]]) -> Callable[[Any], Any] | None:
    """How to reach what the context opens a door to: Request, WebSocket, SSE and the stash."""
    if annotation is Stash:
        return lambda ctx: ctx.stash
    if inspect.isclass(annotation) and issubclass(annotation, Opening):
        for name in ("request", "websocket", "sse"):
            member = getattr(context_class, name, None)
            if isinstance(member, property) and member.fget and issubclass(member.fget.__annotations__["return"], annotation):
                return member.fget
    return None


def _conversion(handler: Callable[..., Any], pattern: Pattern, parameter: Parameter, annotation: Any) -> Callable[[Any], Any] | None:
    """What makes the annotated type of a path parameter's value; None where it already is that type."""
    converter = parameter.converter
    if annotation in (_NAMELESS, Any) or annotation is converter.type or converter.type in _union(annotation):
        return None
    if converter is not STR:
        raise BadSignature(
            handler,
            pattern.text,
            f"{parameter.name} is annotated {_show(annotation)}, but {{{parameter.name}:{converter.name}}} gives {converter.type.__name__}",
        )
    try:
        msgspec.inspect.type_info(annotation)
        msgspec.json.Decoder(annotation)
    except (TypeError, ValueError, NotImplementedError) as error:
        raise BadSignature(handler, pattern.text, f"{parameter.name}: text cannot become {_show(annotation)}: {error}") from error
    if isinstance(msgspec.inspect.type_info(annotation), msgspec.inspect.CustomType):
        raise BadSignature(handler, pattern.text, f"{parameter.name}: nothing here knows how text becomes {_show(annotation)}")

    def convert(text: str) -> Any:
        try:
            return msgspec.convert(_boolean(text) if annotation is bool else text, annotation, strict=False)
        except msgspec.ValidationError as error:
            raise HTTPException(422, f"path.{parameter.name}: {error}") from error

    return convert


_BOOLEANS = {"true": True, "1": True, "on": True, "yes": True, "false": False, "0": False, "off": False, "no": False}


def _boolean(text: str) -> object:
    return _BOOLEANS.get(text.lower(), text)


def _union(annotation: object) -> tuple[Any, ...]:
    if get_origin(annotation) in (Union, UnionType):
        return tuple(member for member in get_args(annotation) if member is not NoneType)
    return ()


def _unknown(name: str, annotation: Any, context_class: type[Context[Any]], named: Mapping[str, object]) -> str:
    kinds = f"the context ({context_class.__name__} or a base of it)"
    path = f"the path's parameters ({', '.join(named)})" if named else "path parameters, of which this path has none"
    plain = get_origin(annotation) or annotation
    if inspect.isclass(plain) and issubclass(plain, Context):
        return f"{name}: {plain.__name__} was asked for, but this route's context is {context_class.__name__}"
    spelled = "has no annotation" if annotation is _NAMELESS else f"is annotated {_show(annotation)}"
    return f"{name} {spelled} and can be given nothing; there are {kinds} and {path}"


def _show(annotation: object) -> str:
    return annotation.__name__ if inspect.isclass(annotation) else str(cast("Any", annotation))
