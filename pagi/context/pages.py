"""What a person with a browser gets to see of a refusal or a failure: a page, where a program gets problem details."""

from typing import Any

import msgspec

from pagi.context.context import Context
from pagi.messages import debug_page, error_page
from pagi.messages.problems import PROBLEM_TYPE, problem
from pagi.messages.response import HTML_TYPE, Response, whole

REQUEST_ID = "pagi.request_id"
"""Where the scope has the exchange's id, if middleware gave it one."""


def suited(ctx: Context[Any], response: Response) -> Response:
    """The same answer, problem details made into a page for whom a page is for. Other answers stay what they are."""
    if ctx.type != "http" or not response.is_whole or PROBLEM_TYPE not in response.raw_headers:
        return response
    response.headers.vary("Accept")
    if not _wants_html(ctx):
        return response
    told: dict[str, Any] = msgspec.json.decode(response.body)
    document = error_page.error_page(response.status, told["title"], told.get("detail"), ctx.scope.get(REQUEST_ID))
    return _page(document, error_page.POLICY, response)


def failure(ctx: Context[Any], error: Exception) -> Response:
    """The answer to an error that nobody caught: all that is known of it for its author, and the bare status for anybody else."""
    if not (ctx.site.debug and debug_page.may_debug(ctx.scope)):
        return suited(ctx, problem(500))
    told = problem(500, f"{type(error).__name__}: {error}", {"cache-control": "no-store"})
    if ctx.type != "http" or not _wants_html(ctx):
        return suited(ctx, told)
    return _page(debug_page.debug_page(error, ctx.scope, ctx.scope.get(REQUEST_ID)), debug_page.POLICY, told)


def _wants_html(ctx: Context[Any]) -> bool:
    return error_page.wants_html(", ".join(ctx.headers.get_all("accept")))


def _page(document: str, policy: str, response: Response) -> Response:
    fields = [pair for pair in response.raw_headers if pair[0] not in (b"content-type", b"content-length", b"cache-control")]
    own = [HTML_TYPE, (b"content-security-policy", policy.encode()), (b"cache-control", b"no-store")]
    return whole(document.encode(), [*own, *fields], response.status)
