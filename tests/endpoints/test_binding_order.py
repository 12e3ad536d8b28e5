"""The order of binding: the first rule that fits wins, and what two rules could claim goes to the one above."""

from typing import Annotated, Any, NewType

import pytest
from typing_extensions import TypeAliasType, TypeVar

from pagi import (
    App,
    Body,
    ConfigError,
    Context,
    Cookie,
    Depends,
    Form,
    Header,
    HTTPContext,
    Path,
    Query,
    Request,
    Session,
    Stash,
    WebSocketContext,
    provider,
)
from tests.endpoints.asking import ask, post, served

pytestmark = pytest.mark.anyio

T = TypeVar("T")


class Thing:
    def __init__(self, name: str) -> None:
        self.name = name


@provider(provides=Thing)
def plain_thing() -> Thing:
    return Thing("provided")


Marked = Annotated[Thing, "marked"]


@provider(provides=Marked)
def marked_thing() -> Thing:
    return Thing("provided as annotated")


def depended() -> Thing:
    return Thing("depended")


Secret = NewType("Secret", str)


@provider
def secret() -> Secret:
    return Secret("s3cret")


async def test_a_marker_goes_before_everything() -> None:
    async def handler(id: Annotated[Thing, Depends(depended)]) -> str:
        return id.name

    async def of_the_query(id: Annotated[str, Query]) -> str:
        return id

    app = App(providers=[plain_thing])
    assert (await ask(handler, "/5", path="/{id}", app=app)).text == "depended"
    assert (await ask(of_the_query, "/5?id=6", path="/{id}")).text == "6"


async def test_the_context_goes_before_a_path_parameter() -> None:
    async def handler(ctx: HTTPContext) -> str:
        return str(ctx.path_params["ctx"])

    assert (await ask(handler, "/5", path="/{ctx}")).text == "5"


async def test_a_path_parameter_goes_before_what_is_provided() -> None:
    async def handler(id: Secret) -> str:
        return id

    assert (await ask(handler, "/5", path="/{id}", app=App(providers=[secret]))).text == "5"


async def test_a_newtype_of_a_scalar_can_be_provided_and_the_client_cannot_touch_it() -> None:
    async def handler(token: Secret) -> str:
        return token

    assert (await ask(handler, "/?token=mine", app=App(providers=[secret]))).text == "s3cret"
    assert (await ask(handler, "/?token=mine")).text == "mine"


async def test_the_whole_annotation_is_looked_for_first_and_then_what_it_annotates() -> None:
    async def handler(thing: Marked) -> str:
        return thing.name

    assert (await ask(handler, app=App(providers=[plain_thing, marked_thing]))).text == "provided as annotated"
    assert (await ask(handler, app=App(providers=[plain_thing]))).text == "provided"


async def test_an_optional_type_falls_back_to_its_provider_and_then_to_none() -> None:
    async def handler(thing: Thing | None = None) -> str:
        return "none" if thing is None else thing.name

    assert (await ask(handler, app=App(providers=[plain_thing]))).text == "provided"
    assert (await ask(handler)).text == "none"


async def test_what_is_provided_goes_before_the_name_body() -> None:
    async def handler(body: Thing) -> str:
        return body.name

    assert (await ask(handler, app=App(providers=[plain_thing]))).text == "provided"


async def test_a_subclass_is_another_type() -> None:
    class Special(Thing): ...

    async def handler(thing: Special) -> None: ...

    with pytest.raises(ConfigError, match="thing is annotated Special and can be given nothing"):
        served(handler, app=App(providers=[plain_thing])).build()


async def test_the_name_body_goes_before_the_query() -> None:
    async def handler(body: int) -> int:
        return body

    assert (await post(handler, 5, target="/?body=6")).text == "5"


# ---- markers


async def test_markers_are_written_as_a_class_or_as_an_instance() -> None:
    async def handler(
        a: Annotated[str, Query],
        b: Annotated[str, Query()],
        c: Annotated[str, Query("see")],
        x_token: Annotated[str, Header],
        agent: Annotated[str, Header("user-agent")],
        flavour: Annotated[str, Cookie],
    ) -> list[str]:
        return [a, b, c, x_token, agent, flavour]

    answer = await ask(handler, "/?a=1&b=2&see=3", headers={"X-Token": "4", "User-Agent": "5", "Cookie": "flavour=6"})
    assert answer.text == '["1","2","3","4","5","6"]'


async def test_a_path_marker_may_rename() -> None:
    async def handler(number: Annotated[int, Path("id")]) -> int:
        return number

    assert (await ask(handler, "/5", path="/{id}")).text == "5"


Alias = TypeAliasType("Alias", Annotated[Thing, Depends(depended)])
Wrapped = TypeAliasType("Wrapped", Annotated[T, Query("w")], type_params=(T,))
Several = TypeAliasType("Several", list[T], type_params=(T,))
Nested = TypeAliasType("Nested", Several[int])


async def test_type_aliases_stand_for_what_they_mean() -> None:
    async def handler(thing: Alias, w: Wrapped[int], n: Nested, own: Several[bool] | None = None) -> list[Any]:
        return [thing.name, w, n, own]

    assert (await ask(handler, "/?w=5&n=1&n=2")).text == '["depended",5,[1,2],null]'


async def not_both(a: Annotated[str, Query, Header("x")]) -> None: ...
async def not_as_a_default(a: str = Query("b")) -> None: ...  # type: ignore[assignment]
async def not_as_a_default_class(a: str = Query) -> None: ...  # type: ignore[assignment]
async def not_nothing(a: Annotated[str, Depends]) -> None: ...
async def not_in_the_path(a: Annotated[str, Path]) -> None: ...
async def not_a_list_of_cookies(a: Annotated[list[str], Cookie]) -> None: ...
async def not_a_class_from_text(a: Annotated[Thing, Query]) -> None: ...
async def not_a_class_from_json(body: Thing) -> None: ...
async def not_within_json(body: dict[str, list[Thing]]) -> None: ...
async def not_a_struct_in_a_form(a: Annotated[dict[str, int], Form]) -> None: ...
async def not_a_protocol_of_another_kind(ctx: WebSocketContext) -> None: ...
async def not_one_of_no_kind(ctx: WebSocketContext | HTTPContext[Any] | int) -> None: ...
async def not_keywords(**all: Any) -> None: ...
async def not_a_variable(body: list[T]) -> None: ...
async def not_a_variable_alone(a: T) -> T:
    return a


@pytest.mark.parametrize(
    ("handler", "problem"),
    [
        (not_both, r"a has 2 markers, Query and Header\('x'\); keep one"),
        (not_as_a_default, r"a has Query\('b'\) as its default; write a: Annotated\[..., Query\('b'\)\]"),
        (not_as_a_default_class, r"a has Query as its default; write a: Annotated\[..., Query\]"),
        (not_nothing, r"Depends names no function; write Depends\(function\)"),
        (not_in_the_path, "a is to come from the path, which has no parameter 'a'; nothing is there"),
        (not_a_list_of_cookies, "a: a cookie has one value; lists are for query, header and form"),
        (not_a_class_from_text, "a: nothing here knows how Thing is decoded"),
        (not_a_class_from_json, "body: nothing here knows how Thing is decoded"),
        (not_within_json, "body: nothing here knows how Thing is decoded"),
        (not_a_struct_in_a_form, "a: a form has fields of text"),
        (not_a_protocol_of_another_kind, "ctx: WebSocketContext was asked for, but this route's context is HTTPContext"),
        (not_one_of_no_kind, "ctx is annotated .* and can be given nothing"),
        (not_keywords, r"\*all cannot be filled; name what is needed, or wrap with functools.wraps"),
        (not_a_variable, "body: .*holds a type variable; write the type that stands for it"),
        (not_a_variable_alone, "a is annotated ~T and can be given nothing"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_cannot_work_fails_the_build_and_says_what_to_write(handler: Any, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        served(handler).build()
    assert handler.__name__ in str(caught.value)
    assert "registered for /" in str(caught.value)


def test_a_refusal_says_what_there_is_and_which_markers() -> None:
    async def handler(thing: Thing) -> None: ...

    with pytest.raises(ConfigError) as caught:
        served(handler, "/{id}", app=App(providers=[secret])).build()
    for told in ("the context (HTTPContext", "parameters (id)", "provided (Secret)", "Depends(function)", "Query(), Header(), Cookie()"):
        assert told.replace("(Secret)", "") in str(caught.value)
    assert "Secret" in str(caught.value)


# ---- what the context opens


async def test_doors_are_found_by_their_types() -> None:
    async def handler(request: Request, stash: Stash) -> list[bool]:
        return [request.method == "GET", len(stash) == 0]

    assert (await ask(handler)).text == "[true,true]"


def test_a_door_that_the_kind_has_not_is_refused() -> None:
    app = App()

    @app.websocket("/")
    async def handler(request: Request) -> None: ...

    with pytest.raises(ConfigError, match="Request was asked for, which WebSocketContext does not open"):
        app.build()


async def test_a_session_is_asked_for_by_type_and_missed_by_name(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(session: Session) -> None: ...

    assert (await ask(handler)).status == 500
    assert "NoSession" in caplog.text


async def test_a_dependency_may_serve_several_kinds() -> None:
    async def kind(ctx: HTTPContext | WebSocketContext) -> str:
        return ctx.type

    async def handler(kind: Annotated[str, Depends(kind)]) -> str:
        return kind

    assert (await ask(handler)).text == "http"
    app = App()

    @app.sse("/")
    async def stream(kind: Annotated[str, Depends(kind)]) -> None: ...

    with pytest.raises(ConfigError, match="was asked for, but this route's context is SSEContext"):
        app.build()


async def test_a_socket_has_no_body() -> None:
    for annotation in (Annotated[str, Body], Annotated[str, Form]):

        async def handler(ctx: Context, text: Any) -> None: ...

        handler.__annotations__["text"] = annotation
        app = App()
        app.websocket("/")(handler)
        with pytest.raises(ConfigError, match="text is to come from a body, and a WebSocket has none: receive messages instead"):
            app.build()
