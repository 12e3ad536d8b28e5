"""Bodies as arguments: JSON, octets, text and forms, and what hostile ones become."""

import datetime
import decimal
from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Meta

from pagi import App, Body, ConfigError, Depends, Form, HTTPContext, HTTPException, InvalidInput, Query, Request, Response
from pagi.endpoints.bodies import MOST_BYTES
from tests.endpoints.asking import ask, errors, post, served

pytestmark = pytest.mark.anyio


class Item(msgspec.Struct):
    name: Annotated[str, Meta(min_length=1)]
    count: int = 0


class Order(msgspec.Struct):
    items: list[Item]
    when: datetime.datetime | None = None
    price: decimal.Decimal = decimal.Decimal()
    by_id: dict[int, Item] = {}
    gift: Item | None = None


class Strict(msgspec.Struct, forbid_unknown_fields=True):
    a: int = 0


class Node(msgspec.Struct):
    n: int = 0
    children: "list[Node]" = []


class Cat(msgspec.Struct, tag="cat"):
    lives: int


class Dog(msgspec.Struct, tag="dog"):
    name: str


async def order(body: Order) -> Order:
    return body


async def strict(body: Strict) -> Strict:
    return body


async def node(body: Node) -> str:
    return "read"


async def maybe(body: Item | None = None) -> str:
    return repr(body)


async def octets(body: bytes) -> bytes:
    return body


async def text(body: str) -> str:
    return body


async def short(body: Annotated[bytes, Meta(max_length=3)]) -> bytes:
    return body


async def anything(data: Annotated[Any, Body]) -> Any:
    return data


async def pet(body: Cat | Dog) -> str:
    return repr(body)


async def test_json_is_decoded_and_validated() -> None:
    sent = {"items": [{"name": "a"}], "when": "2026-01-02T03:04:05Z", "price": "1.10", "by_id": {"5": {"name": "b"}}}
    answer = await post(order, sent)
    assert answer.status == 200
    assert msgspec.json.decode(answer.body)["by_id"] == {"5": {"name": "b", "count": 0}}
    assert (await post(anything, [1, None])).text == "[1,null]"
    assert (await post(pet, {"type": "dog", "name": "rex"})).text == "Dog(name='rex')"


async def test_bytes_and_str_are_taken_raw_whatever_their_type() -> None:
    assert (await post(octets, b"\x00\xff", "image/png")).body == b"\x00\xff"
    assert (await post(octets, b"")).body == b""
    assert (await post(text, "é".encode("latin-1"), "text/plain; charset=latin-1")).text == "é"
    assert (await post(text, b"\xff", "text/plain")).status == 400


async def test_limits_of_a_raw_body_hold() -> None:
    assert (await post(short, b"abc")).body == b"abc"
    assert errors(await post(short, b"abcd")) == {"body": "Expected `bytes` of length <= 3"}


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON", "application/vnd.x+json"]
)
async def test_every_json_type_is_json(content_type: str) -> None:
    assert (await post(anything, b"1", content_type)).text == "1"


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "x", "", "text/json"])
async def test_another_type_is_415(content_type: str) -> None:
    """A page elsewhere may send these without asking (Fetch): were they taken, it could act for its visitors."""
    assert (await post(anything, b"1", content_type)).status == 415


async def test_a_missing_body_is_422_unless_there_is_a_default() -> None:
    assert errors(await ask(order, method="POST")) == {"body": "is required"}
    assert (await ask(maybe, method="POST")).text == "None"
    assert (await post(maybe, b"null")).text == "None"
    assert (await post(maybe, {"name": "a"})).text == "Item(name='a', count=0)"


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"items": "a", ',
        b'{"items": [{"name": 5}], "by_id',
        b"\xff",
        b'{"items": [{"name": "\xff"}]}',
        b'{"items": [{"name": "\\ud800"}]}',
        b"\xef\xbb\xbf{}",
        b"NaN",
        b'{"price": Infinity}',
        b"[" * 100_000,
        b'{"items": [' + b"[" * 100_000,
        b'{"items": 5, "more": ' + b"[" * 100_000,
    ],
    ids=lambda body: body[:20],
)
async def test_broken_json_is_400(body: bytes) -> None:
    answer = await post(order, body)
    assert answer.status == 400, answer.text
    assert "not JSON" in answer.text


async def test_deep_json_is_400_where_it_would_fit_and_where_it_would_not() -> None:
    def nested(depth: int, innermost: bytes) -> bytes:
        return b'{"children":[' * depth + innermost + b"]}" * depth

    assert (await post(node, nested(100, b"{}"))).text == "read"
    assert (await post(node, nested(5_000, b"{}"))).status == 400
    assert (await post(node, nested(5_000, b'{"n":"x"}'))).status == 400
    assert list(errors(await post(node, nested(300, b'{"n":"x"}')))) == ["body" + ".children[0]" * 300 + ".n"]


async def test_huge_numbers_are_misfits_and_no_failures() -> None:
    assert (await post(strict, b'{"a":' + b"9" * 5_000 + b"}")).status == 422
    assert (await post(anything, b"9" * 5_000)).status == 422
    assert (await post(anything, b"1e999")).status == 422
    assert (await post(order, b'{"items": [{"name": ""}], "price": 1e999}')).status == 422
    assert (await post(strict, b'{"a":99999999999999999999}')).text == '{"a":99999999999999999999}'


async def test_of_equal_keys_the_last_one_counts() -> None:
    assert (await post(strict, b'{"a":1,"a":2}')).text == '{"a":2}'


async def test_all_misfits_of_a_body_are_told_at_once() -> None:
    sent = {
        "items": [{"name": ""}, {"name": "b", "count": "many"}, {"count": 1.5}],
        "when": "tomorrow",
        "by_id": {"5": {"name": ""}, "x": {"name": "b"}},
        "gift": {"name": 5, "count": None},
    }
    assert errors(await post(order, sent)) == {
        "body.items[0].name": "Expected `str` of length >= 1",
        "body.items[1].count": "Expected `int`, got `str`",
        "body.items[2].name": "is required",
        "body.items[2].count": "Expected `int`, got `float`",
        "body.when": "Invalid RFC3339 encoded datetime",
        "body.by_id['5'].name": "Expected `str` of length >= 1",
        "body.gift.name": "Expected `str`, got `int`",
        "body.gift.count": "Expected `int`, got `null`",
    }


async def test_at_most_twenty_are_told() -> None:
    answer = await post(order, {"items": [{"name": ""}] * 100})
    assert len(errors(answer)) == 20
    assert "(and 19 more)" in answer.text


async def test_what_json_alone_allows_is_no_misfit_of_its_own() -> None:
    """Keys that are numbers, numbers that are decimals: only the name is wrong."""
    assert list(errors(await post(order, {"items": [{"name": ""}], "price": 1.5, "by_id": {"5": {"name": "b"}}}))) == ["body.items[0].name"]


async def test_unknown_fields_are_told_where_they_are_forbidden() -> None:
    assert errors(await post(strict, {"a": "x", "b": 1, "c": 2})) == {
        "body.a": "Expected `int`, got `str`",
        "body.b": "is not known here",
        "body.c": "is not known here",
    }


async def test_a_tagged_union_is_judged_by_its_tag() -> None:
    assert errors(await post(pet, {"type": "cow"})) == {"body.type": "Invalid value 'cow'"}
    assert errors(await post(pet, {"type": "dog"})) == {"body": "Object missing required field `name`"}


async def test_of_a_large_body_only_the_first_misfit_is_told() -> None:
    body = msgspec.json.encode({"items": [{"name": ""}] * 10 + [{"name": "x" * MOST_BYTES}]})
    assert list(errors(await post(order, body))) == ["body.items[0].name"]


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["items", "name", "count", "gift", "by_id", "7"]), inner),
    max_leaves=20,
)


@settings(deadline=None, max_examples=200)
@given(_values)
def test_misfits_are_found_exactly_where_the_decoder_fails(value: Any) -> None:
    from pagi.endpoints.misfits import misfits

    try:
        sent = msgspec.json.encode(value)
    except UnicodeEncodeError:
        return
    decoded = msgspec.json.decode(sent)
    try:
        msgspec.json.decode(sent, type=Order)
    except msgspec.ValidationError:
        assert 1 <= len(misfits(decoded, Order, "body")) <= 20
    else:
        assert misfits(decoded, Order, "body") == []


# ---- several inputs together


async def test_misfits_of_all_places_are_told_together() -> None:
    async def handler(id: int, body: Item, after: int, q: Annotated[list[int], Query] = []) -> None: ...  # noqa: B006

    app = App()
    app.post("/{id}")(handler)
    answer = await ask(handler, "/x?q=1&q=y", path="/{id}", method="POST", body=b"{}", headers={"content-type": "application/json"})
    assert list(errors(answer)) == ["path.id", "body.name", "query.after", "query.q[1]"]


async def test_those_of_dependencies_are_told_with_them() -> None:
    async def page(after: int = 0) -> int:
        return after

    async def handler(page: Annotated[int, Depends(page)], limit: int = 5) -> None: ...

    assert list(errors(await ask(handler, "/?after=x&limit=y"))) == ["query.after", "query.limit"]


async def test_a_guard_refuses_before_input_is_judged() -> None:
    async def guard(ctx: HTTPContext) -> None:
        raise HTTPException(401)

    async def handler(body: Item, after: int, signed_in: Annotated[None, Depends(guard)]) -> None: ...
    async def anew(body: Item, after: int, signed_in: Annotated[None, Depends(guard, cached=False)]) -> None: ...

    assert (await post(handler, {})).status == 401
    assert (await post(anew, {})).status == 401
    assert (await post(anew, b"{")).status == 401


async def test_guards_run_in_the_order_of_the_signature() -> None:
    asked: list[str] = []

    def guard(name: str) -> Callable[[], None]:
        return lambda: asked.append(name)

    first, second, third = guard("first"), guard("second"), guard("third")

    async def handler(
        a: Annotated[None, Depends(first, cached=False)],
        b: Annotated[None, Depends(second)],
        c: Annotated[None, Depends(third, cached=False)],
    ) -> str:
        return " ".join(asked)

    assert (await ask(handler)).text == "first second third"


async def test_a_body_that_cannot_be_read_goes_before_misfits() -> None:
    async def handler(body: Item, after: int) -> None: ...

    assert (await post(handler, b"{", target="/?after=x")).status == 400
    assert (await post(handler, b"{}", "text/plain", target="/?after=x")).status == 415


async def test_the_handler_of_422_sees_the_list() -> None:
    async def shown(ctx: HTTPContext, error: InvalidInput) -> Response:
        return ctx.text(" ".join(each.path for each in error.errors), status=400)

    async def handler(a: int, b: int) -> None: ...

    for caught in (422, InvalidInput, HTTPException):
        answer = await ask(handler, app=App(exception_handlers={caught: shown}))
        assert (answer.status, answer.text) == (400, "query.a query.b")


async def test_the_request_and_the_body_are_the_same_one() -> None:
    async def handler(request: Request, body: Item) -> bytes:
        return await request.body()

    assert (await post(handler, {"name": "a"})).body == b'{"name":"a"}'


# ---- forms

FORM = "application/x-www-form-urlencoded"


class Sign(msgspec.Struct):
    name: str
    age: int | None = None
    news: bool = False
    tags: list[str] = []
    ticks: list[bool] = []


async def sign(form: Annotated[Sign, Form]) -> Sign:
    return form


async def fields(
    name: Annotated[str, Form],
    age: Annotated[int | None, Form] = None,
    tags: Annotated[list[int], Form] = [],  # noqa: B006
    news: Annotated[bool, Form] = False,
) -> str:
    return f"{name} {age} {tags} {news}"


async def test_fields_of_a_form_are_taken_one_by_one_or_as_a_struct() -> None:
    assert (await post(fields, b"name=ada&age=5&tags=1&tags=2&news=on", FORM)).text == "ada 5 [1, 2] True"
    answer = await post(sign, b"name=ada&age=5&tags=x&tags=y&news=yes&ticks=on&ticks=off", FORM)
    assert answer.text == '{"name":"ada","age":5,"news":true,"tags":["x","y"],"ticks":[true,false]}'


async def test_an_empty_field_is_absent() -> None:
    assert (await post(fields, b"name=ada&age=&tags=&news=", FORM)).text == "ada None [] False"
    assert errors(await post(fields, b"name=&age=", FORM)) == {"form.name": "is required"}
    assert errors(await post(sign, b"name=&age=x", FORM)) == {"form.name": "is required", "form.age": "Expected `int | null`"}


async def test_all_misfits_of_a_form_are_told_at_once() -> None:
    assert errors(await post(fields, b"age=x&tags=y&news=maybe", FORM)) == {
        "form.name": "is required",
        "form.age": "Expected `int | null`",
        "form.tags[0]": "Expected `int`",
        "form.news": "Expected `bool`",
    }


async def test_a_form_of_another_type_is_415_and_one_over_its_limits_is_refused() -> None:
    assert (await post(fields, b"{}")).status == 415
    assert (await post(fields, b"&".join([b"name=a"] * 1001), FORM)).status == 413
    assert (await post(fields, b"name=%ff", FORM)).text.startswith("\ufffd")


def test_a_form_is_for_scalars_lists_and_structs() -> None:
    async def handler(a: Annotated[dict[str, int] | list[Item], Form]) -> None: ...

    with pytest.raises(ConfigError, match="a form has fields of text"):
        served(handler).build()
