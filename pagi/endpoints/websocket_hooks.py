"""A `WebSocketEndpoint` as one session: its hooks compiled, its messages decoded, its end told once."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import msgspec

from pagi.context.answering import called
from pagi.context.next import Layer
from pagi.context.websocket import WebSocketContext
from pagi.endpoints.binding import BadSignature
from pagi.endpoints.endpoint import BadEndpoint, WebSocketEndpoint, endpoint_class
from pagi.endpoints.generics import substituted, type_arguments
from pagi.endpoints.values import UnknownType, info_of, show
from pagi.endpoints.websocket import session_layer
from pagi.endpoints.wiring import Owner, Wiring
from pagi.gateway.annotations import is_async, parameters_of
from pagi.gateway.reasons import ClientGone
from pagi.injection.plan import Leaf
from pagi.injection.source import compile_plan
from pagi.messages.response import Response
from pagi.messages.websocket import INTERNAL_ERROR, INVALID_PAYLOAD, BadMessage, Messages, as_bytes, as_json, as_text

log = logging.getLogger("pagi")

LAST_WORDS_SECONDS = 5.0
"""How long `on_disconnect` may take: nobody waits for it but the shutdown."""
_NO_CLOSE_FRAME = 1006
"""The code that says none was ever sent (RFC 6455 section 7.4.1): the handshake was refused."""

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
    cls = endpoint_class(endpoint)
    hooks = {name: _compiled(endpoint, name, told, wiring) for name, told in _EXTRAS.items() if hasattr(endpoint, name)}
    if not hooks:
        raise BadEndpoint(cls, f"defines none of {', '.join(_EXTRAS)}")
    connect, receive, invalid = hooks.get("on_connect"), hooks.get("on_receive"), hooks.get("on_invalid")
    decode = _decoder(endpoint, wiring)

    async def session(ctx: WebSocketContext[Any]) -> None:
        ws = ctx.websocket
        await (ctx.accept() if connect is None else connect(ctx))
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
    last = hooks.get("on_disconnect")
    return layer if last is None else _with_last_words(layer, last)


def _with_last_words(layer: Layer, last: Hook) -> Layer:
    async def whole(ctx: WebSocketContext[Any]) -> Response:
        failed = True
        try:
            response = await layer(ctx)
            failed = False
            return response
        finally:
            ws = ctx.websocket
            code = ws.close_code or (INTERNAL_ERROR if failed else _NO_CLOSE_FRAME)
            with anyio.CancelScope(shield=True, deadline=anyio.current_time() + LAST_WORDS_SECONDS):
                try:
                    await last(ctx, code, ws.close_reason)
                except ClientGone:
                    pass  # it tried to send; there is nobody any more
                except Exception as error:
                    log.error("on_disconnect of %s failed: %s", called(ctx), error, exc_info=error)

    return whole


def _compiled(endpoint: WebSocketEndpoint | type[WebSocketEndpoint], name: str, told: tuple[str, ...], wiring: Wiring) -> Hook:
    hook: Hook = getattr(endpoint, name)
    if not is_async(hook):
        raise BadSignature(hook, wiring.pattern.text, "a hook is an async function")
    owner = Owner.of(endpoint) if isinstance(endpoint, type) else None
    extras = {each: Leaf(each, what=f"the {each}") for each in told}
    return compile_plan(wiring.plan(hook, owner, extras), extras=told, awaited=True).call


def _decoder(endpoint: WebSocketEndpoint | type[WebSocketEndpoint], wiring: Wiring) -> Callable[[str | bytes], Any]:
    """From a message as it came to what `on_receive` gets."""
    encoding = endpoint.encoding
    if encoding not in ("text", "bytes", "json"):
        raise BadEndpoint(endpoint_class(endpoint), f"has encoding {encoding!r}; there are text, bytes and json")
    wanted = _message_type(endpoint)
    fits = {"text": (str, Any), "bytes": (bytes, Any)}.get(encoding)
    if fits is not None:
        if wanted not in fits:
            raise BadSignature(
                endpoint.on_receive,
                wiring.pattern.text,
                f"message is annotated {show(wanted)}, but encoding is {encoding!r}; say encoding = 'json', or annotate {fits[0].__name__}",
            )
        return as_text if encoding == "text" else as_bytes
    if wanted in (str, bytes):
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
    return substituted(parameter.annotation, type_arguments(endpoint_class(endpoint)))


def _typed(wanted: Any, endpoint: WebSocketEndpoint | type[WebSocketEndpoint], wiring: Wiring) -> Callable[[str | bytes], Any]:
    try:
        info_of(wanted)
    except UnknownType as error:
        raise BadSignature(endpoint.on_receive, wiring.pattern.text, f"message: {error}") from error
    decode = msgspec.json.Decoder(wanted).decode

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


class InvalidMessage(BadMessage):
    """A message is JSON, but not of the shape that `on_receive` is annotated with."""

    def __init__(self, told: str) -> None:
        super().__init__(f"the message does not fit: {told}", INVALID_PAYLOAD)
