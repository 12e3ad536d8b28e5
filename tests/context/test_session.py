"""The session as handlers hold it: strict, typed by its keys, reading the same now as in the next exchange."""

import math
from collections.abc import Callable
from datetime import date
from typing import Any, assert_type

import msgspec
import pytest

from pagi import AppError, Context, HTTPContext, SSEContext, WebSocketContext
from pagi.context.session import SESSION, NoSession, NotJSON, Session, SessionKey, SessionNotSaved, SessionRecord, StaleValue
from pagi.context.strict_mapping import MissingKey
from pagi.endpoints.site import Site
from pagi.gateway.types import Message
from tests.recorder import Recorder


class User(msgspec.Struct):
    id: int
    name: str = ""


USER = SessionKey("user", User)
CART = SessionKey("cart", list[str])
SINCE = SessionKey("since", date)
MAYBE = SessionKey[User | None]("maybe", User | None)
UNTYPED = SessionKey[int]("n")


TYPE_OF: Callable[[Any], Any] = type


def again(session: Session) -> Session:
    """The session as the next exchange finds it."""
    record = msgspec.json.decode(session.encoded(), type=SessionRecord)
    return Session(load=lambda: record)


def test_a_key_and_its_name_are_one_place() -> None:
    session = Session()
    session[UNTYPED] = 1
    session["n"] += 1
    assert (session[UNTYPED], UNTYPED in session, "n" in session, len(session), list(session)) == (2, True, True, 1, ["n"])
    del session[UNTYPED]
    assert "n" not in session


def test_a_missing_key_says_what_there_is() -> None:
    with pytest.raises(MissingKey, match="the session is empty"):
        Session()["user"]
    with pytest.raises(KeyError, match=r"the session has no 'c'; there are a, b. Use get\(\)"):
        Session({"b": 1, "a": 2})["c"]
    with pytest.raises(MissingKey, match="there are a, b"):
        del Session({"b": 1, "a": 2})["c"]
    with pytest.raises(MissingKey, match="15 others"):
        Session({str(n): n for n in range(15)})["c"]


def test_get_does_not_complain() -> None:
    session = Session({"maybe": None})
    assert (session.get(USER), session.get("n", 5), session.get(MAYBE, "x")) == (None, 5, None)


def test_a_typed_key_gives_its_type_now_and_in_the_next_exchange() -> None:
    session = Session()
    session[USER] = User(7, "Ada")
    session[SINCE] = date(2030, 1, 2)
    session[MAYBE] = None
    for seen in (session, again(session), again(again(session))):
        assert_type(seen[USER], User)
        assert_type(seen.get(MAYBE), User | None)
        assert (seen[USER], seen[SINCE], seen[MAYBE]) == (User(7, "Ada"), date(2030, 1, 2), None)


VALUES: list[Any] = [
    (1, 2), {1: "a"}, b"bytes", {1, 2}, date(2030, 1, 2), User(1), math.nan, 2**70, "ü\n\u2028", [[[]]], None, 1.5e300,
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_bare_name_gives_what_json_gives_back_at_once(value: Any) -> None:
    session = Session()
    session["v"] = value
    assert session["v"] == again(session)["v"]
    session[SessionKey[Any]("v", TYPE_OF(value))] = value if value == value else 0.0
    assert session["v"] == again(session)["v"]


@pytest.mark.parametrize("key", ["cart", CART])
def test_what_is_changed_in_place_is_seen(key: Any) -> None:
    session = again(Session({"cart": ["a"]}))
    before = session.is_changed
    session[key].append("b")
    assert (before, session.is_changed) == (False, True)
    assert again(session)[key] == ["a", "b"]


def test_a_struct_is_changed_in_place_through_its_typed_key() -> None:
    session = again(Session({"user": {"id": 1, "name": "x"}}))
    session[USER].name = "y"
    assert session.is_changed
    assert session["user"] == {"id": 1, "name": "y"}
    session["user"]["name"] = "z"
    assert again(session)[USER] == User(1, "z")


def test_the_session_keeps_a_copy() -> None:
    cart = ["a"]
    session = Session()
    session["cart"] = cart
    session[CART] = cart
    cart.append("b")
    assert session["cart"] == ["a"]


def test_reading_changes_nothing() -> None:
    session = again(Session({"since": "2030-01-02", "cart": [], "user": {"id": 1, "name": ""}}))
    assert session[SINCE] == date(2030, 1, 2)
    assert (session[CART], session[USER], session.get("x"), "x" in session, len(session)) == ([], User(1), None, False, 3)
    assert not session.is_changed


def recursive() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize("make", [object, lambda: {(1, 2): 3}, lambda: "\ud800", lambda: recursive(), lambda: lambda: None])
@pytest.mark.parametrize("name", ["thing", "other"])
def test_a_value_without_a_json_form_is_refused_at_once_by_name(make: Callable[[], Any], name: str) -> None:
    session = Session()
    with pytest.raises(NotJSON, match=f"session value '{name}' cannot be kept"):
        session[name] = make()
    assert not session.is_changed


def test_a_value_that_its_key_would_not_give_back_is_refused() -> None:
    session = Session()
    with pytest.raises(NotJSON, match=r"'user' cannot be kept: it does not come back as SessionKey\('user', User\)"):
        session[USER] = "Ada"  # type: ignore[misc]  # pyright: ignore[reportArgumentType,reportCallIssue]


def test_a_key_of_a_type_that_json_cannot_give_is_refused_where_it_is_made() -> None:
    with pytest.raises(TypeError):
        SessionKey("bad", dict[tuple[int, list[int]], int] | list[int] | set[int])


def test_a_value_spoilt_in_place_is_named_when_it_is_saved() -> None:
    session = Session({"ok": 1, "list": []})
    session["list"].append(object())
    with pytest.raises(NotJSON, match="session value 'list'"):
        session.encoded()


def test_a_value_of_an_older_release_is_missing_rather_than_wrong() -> None:
    session = Session({"user": {"name": "no id"}})
    with pytest.raises(StaleValue, match=r"'user' does not fit SessionKey\('user', User\).*missing required field"):
        session[USER]
    assert session.get(USER) is None
    assert USER not in session
    assert "user" in session


def test_use_is_noticed_and_looking_at_it_is_none() -> None:
    loads: list[int] = []

    def load() -> SessionRecord:
        loads.append(1)
        return SessionRecord({"a": 1})

    session = Session(load=load)
    assert (repr(session), session.is_changed, session.was_used, loads) == ("Session(not asked for yet)", False, False, [])
    assert not session.is_new
    assert (session.was_used, len(session), loads) == (True, 1, [1])
    assert repr(session) == "Session(['a'])"


Change = Callable[[Session], object]

LATE: list[Change] = [
    lambda s: s.__setitem__("a", 2),
    lambda s: s.__delitem__("a"),
    lambda s: s.clear(),
    lambda s: s.destroy(),
]
SETTLED: list[Change] = [lambda s: s.regenerate(), lambda s: setattr(s, "max_age", 1)]
HARMLESS: list[Change] = [lambda s: s.__setitem__("a", 1), lambda s: s.get("a"), lambda s: setattr(s, "max_age", None)]


@pytest.mark.parametrize(("change", "is_changed"), [*((each, True) for each in (*LATE, *SETTLED)), *((each, False) for each in HARMLESS)])
def test_changed_means_that_saving_would_make_a_difference(change: Change, is_changed: bool) -> None:
    session = Session({"a": 1})
    change(session)
    assert session.is_changed is is_changed
    assert session.was_used


def test_clearing_forgets_everything_and_is_harmless_when_there_is_nothing() -> None:
    session = Session({"a": 1, "_b": 2})
    session.clear()
    assert (list(session), session.is_changed, session.is_destroyed) == ([], True, False)
    empty = Session()
    empty.clear()
    assert not empty.is_changed


def test_max_age_is_kept_with_the_session() -> None:
    session = Session()
    assert session.max_age is None
    session.max_age = 60
    assert again(session).max_age == 60


@pytest.mark.parametrize("seconds", [0, -1, 1.5, True])
def test_a_max_age_that_is_no_time_is_refused(seconds: Any) -> None:
    with pytest.raises(ValueError, match="whole number of seconds above 0"):
        Session().max_age = seconds


def test_what_is_destroyed_stays_destroyed() -> None:
    session = Session({"a": 1})
    session.destroy()
    session.destroy()
    assert (list(session), session.is_destroyed) == ([], True)
    with pytest.raises(SessionNotSaved, match=r"value 'a' of the session cannot be changed any more: it was destroyed; .*clear\(\)"):
        session["a"] = 1


@pytest.mark.parametrize("change", [*LATE, *SETTLED])
def test_a_locked_session_says_why_it_cannot_be_changed_and_can_be_read(change: Change) -> None:
    session = Session({"a": 1})
    session.lock("the head left")
    with pytest.raises(SessionNotSaved, match="the head left"):
        change(session)
    assert session["a"] == 1
    session.lock(None)
    change(session)


@pytest.mark.parametrize("change", SETTLED)
def test_a_settled_session_keeps_its_identity(change: Change) -> None:
    session = Session({"a": 1})
    session.settle("the head left")
    with pytest.raises(SessionNotSaved, match="the head left"):
        change(session)
    session["a"] = 2


# ---- the door to it


async def unused() -> Message:
    raise AssertionError("nothing is received")


async def unsent(event: Message) -> None:
    raise AssertionError("nothing is sent")


@pytest.mark.parametrize("kind", [HTTPContext, WebSocketContext, SSEContext])
def test_every_context_opens_a_door_to_the_session_of_its_scope(kind: type[Context[Any]]) -> None:
    scope = Recorder(None).http("GET", "/").scope  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    ctx = kind(scope, unused, unsent, {}, Site({}))
    assert ctx.has_session is False
    with pytest.raises(NoSession, match=r"add Session\(secret=\.\.\.\) of pagi.middleware") as caught:
        _ = ctx.session
    assert isinstance(caught.value, AppError)
    session = scope[SESSION] = Session()
    assert (ctx.has_session, ctx.session is session) == (True, True)
    assert not session.was_used
