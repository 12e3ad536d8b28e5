"""A `WebSocketEndpoint` as one session: its hooks compiled, its messages decoded, its end told once."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, get_args, get_origin

import msgspec

from pagi.context.next import Layer
from pagi.context.websocket import WebSocketContext
from pagi.endpoints.binding import BadSignature
from pagi.endpoints.endpoint import BadEndpoint, WebSocketEndpoint, endpoint_class
from pagi.endpoints.generics import definer, substituted, type_arguments
from pagi.endpoints.hooks import compiled_hook, note_begun, with_last_words
from pagi.endpoints.values import UnknownType, info_of, show
from pagi.endpoints.websocket import session_layer
from pagi.endpoints.wiring import Wiring
from pagi.gateway.annotations import parameters_of
from pagi.gateway.reasons import ClientGone
from pagi.injection.source import Compiled
from pagi.messages.websocket import GOING_AWAY, INTERNAL_ERROR, INVALID_PAYLOAD, BadMessage, Messages, as_bytes, as_json, as_text

_NO_CLOSE_FRAME = 1006
"""The code that says none was ever sent (RFC 6455 section 7.4.1): the handshake was refused, or the client is gone."""

_EXTRAS: dict[str, tuple[str, ...]] = {
    "on_connect": (),
    "on_receive": ("message",),
    "on_invalid": ("error",),
    "on_disconnect": ("code", "reason"),
}
"""What each hook is told by name, beside all that it may name anyway."""

Hook = Callable[..., Awaitable[None]]


def websocket_endpoint_layer(endpoint: WebSocketEndpoint | type[WebSocketEndpoint], wiring: Wiring) -> Layer:
    """What runs the endpoint for one session.

    Raises:
        ConfigError: a hook is not async, asks for what cannot be given, or disagrees with the encoding.
    """
    has_last = hasattr(endpoint, "on_disconnect")
    hooks = {
        name: compiled_hook(endpoint, name, wiring, told, begins=has_last and name == "on_connect")
        for name, told in _EXTRAS.items()
        if hasattr(endpoint, name)
    }
    if not hooks:
        raise BadEndpoint(endpoint_class(endpoint), f"defines none of {', '.join(_EXTRAS)}")
    calls: dict[str, Hook] = {name: hook.call for name, hook in hooks.items()}
    connect, receive, invalid = calls.get("on_connect"), calls.get("on_receive"), calls.get("on_invalid")
    if "on_receive" in hooks:
        _check_ends(endpoint, hooks["on_receive"], wiring)
    decode = _decoder(endpoint, wiring)

    async def session(ctx: WebSocketContext[Any]) -> None:
        ws = ctx.websocket
        if connect is not None:
            await connect(ctx)
        else:
            if has_last:
                note_begun(ctx)
            await ctx.accept()
        if ws.state != "open":
            return
        messages = Messages(ws, ctx.receive, decode)
        while True:
            try:
                message = await anext(messages)
            except StopAsyncIteration:
                return
            except BadMessage as error:
                if invalid is None:
                    raise
                await invalid(ctx, error)
            else:
                if receive is not None:
                    await receive(ctx, message)

    layer = session_layer(session, [leaf for plan in wiring.plans for leaf in plan.leaves()])
    return with_last_words(layer, calls["on_disconnect"], _close) if has_last else layer


def _check_ends(endpoint: WebSocketEndpoint | type[WebSocketEndpoint], receive: Compiled, wiring: Wiring) -> None:
    for step in receive.plan.all_steps():
        if step.maker.is_generator and step.maker.lifetime == "request" and not step.is_cached:
            raise BadSignature(
                endpoint.on_receive,
                wiring.pattern.text,
                f"{step.maker.name} is not cached, and what it opens for each message would stay open for the whole session; "
                f"give it scope 'call'",
            )


def _close(ctx: WebSocketContext[Any], error: BaseException | None) -> tuple[int, str]:
    """The code and reason of the close; of one that no frame told, what it stands for."""
    ws = ctx.websocket
    if ws.close_code is not None:
        return ws.close_code, ws.close_reason
    if isinstance(error, Exception) and not isinstance(error, ClientGone) and ws.state == "open":
        return INTERNAL_ERROR, ""
    return (GOING_AWAY if error is not None and ctx.connection.is_closing else _NO_CLOSE_FRAME), ""


def _decoder(endpoint: WebSocketEndpoint | type[WebSocketEndpoint], wiring: Wiring) -> Callable[[str | bytes], Any]:
    """From a message as it came to what `on_receive` gets."""
    encoding = endpoint.encoding
    if encoding not in ("text", "bytes", "json"):
        raise BadEndpoint(endpoint_class(endpoint), f"has encoding {encoding!r}; there are text, bytes and json")
    wanted = _message_type(endpoint)
    plain = get_args(wanted)[0] if get_origin(wanted) is Annotated else wanted
    fits: type[Any] | None = {"text": str, "bytes": bytes}.get(encoding)
    if fits is not None:
        if plain not in (fits, Any):
            raise BadSignature(
                endpoint.on_receive,
                wiring.pattern.text,
                f"message is annotated {show(wanted)}, but encoding is {encoding!r}; say encoding = 'json', or annotate {fits.__name__}",
            )
        read: Callable[[str | bytes], Any] = as_text if encoding == "text" else as_bytes
        return read if plain is wanted else _limited(read, wanted)
    if plain in (str, bytes):
        raise BadSignature(
            endpoint.on_receive,
            wiring.pattern.text,
            f"message is annotated {show(wanted)}, but encoding is 'json'; annotate the decoded type, or say encoding = 'text'",
        )
    return as_json if wanted is Any else _typed(wanted, endpoint, wiring)


def _message_type(endpoint: WebSocketEndpoint | type[WebSocketEndpoint]) -> Any:
    if not hasattr(endpoint, "on_receive"):
        return Any
    parameter = parameters_of(endpoint.on_receive).get("message")
    if parameter is None or parameter.annotation is parameter.empty:
        return Any
    cls = endpoint_class(endpoint)
    return substituted(parameter.annotation, type_arguments(cls, definer(cls, endpoint.on_receive)))


def _typed(wanted: Any, endpoint: WebSocketEndpoint | type[WebSocketEndpoint], wiring: Wiring) -> Callable[[str | bytes], Any]:
    try:
        info_of(wanted, wiring.codecs)
    except UnknownType as error:
        raise BadSignature(endpoint.on_receive, wiring.pattern.text, f"message: {error}") from error
    decode = msgspec.json.Decoder(wanted, dec_hook=wiring.codecs.hook).decode

    def typed(message: str | bytes) -> Any:
        try:
            return decode(message)
        except msgspec.ValidationError as error:
            raise InvalidMessage(str(error)) from error
        except RecursionError:
            raise BadMessage("the message is nested too deeply", INVALID_PAYLOAD) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BadMessage(f"the message is not JSON: {error}", INVALID_PAYLOAD) from error

    return typed


def _limited(read: Callable[[str | bytes], Any], wanted: Any) -> Callable[[str | bytes], Any]:
    """`read`, within the limits that the annotation sets."""

    def limited(message: str | bytes) -> Any:
        try:
            return msgspec.convert(read(message), wanted)
        except msgspec.ValidationError as error:
            raise InvalidMessage(str(error)) from error

    return limited


class InvalidMessage(BadMessage):
    """A message is JSON, but not of the shape that `on_receive` is annotated with."""

    def __init__(self, told: str) -> None:
        super().__init__(f"the message does not fit: {told}", INVALID_PAYLOAD)
