"""Methods that nobody registered: what the router answers itself (RFC 9110 section 9)."""

import pytest

from pagi import App
from tests.recorder import Recorder

pytestmark = pytest.mark.anyio


async def handler() -> str:
    return "x"


def app() -> App:
    app = App()
    app.get("/x")(handler)
    app.route("/purged", methods=["PURGE", "purge"])(handler)
    return app


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PURGE"])
async def test_a_known_method_is_405_where_it_is_not_served(method: str) -> None:
    answer = await Recorder(app()).http(method, "/x").run()
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


@pytest.mark.parametrize("method", ["BREW", "get", "G", "__init__"])
async def test_a_method_that_no_route_knows_is_501(method: str) -> None:
    answer = await Recorder(app()).http(method, "/x").run()
    assert answer.status == 501
    assert "allow" not in answer.headers
    assert (await Recorder(app()).http(method, "/nowhere").run()).status == 404


async def test_options_lists_what_there_is_and_head_runs_get() -> None:
    answer = await Recorder(app()).http("OPTIONS", "/x").run()
    assert (answer.status, answer.headers["allow"], answer.body) == (204, "GET, HEAD, OPTIONS", b"")
    assert (await Recorder(app()).http("HEAD", "/x").run()).status == 200
