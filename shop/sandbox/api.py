"""The API: one way through for every call. Key, fault, idempotency, parameters, work, expansion, answer."""

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import stripe
from flask import Flask, Response, request
from werkzeug.exceptions import InternalServerError, RequestEntityTooLarge

from shop.sandbox import expansion, idempotency, lists, versions
from shop.sandbox.account import Account
from shop.sandbox.contract import held_against
from shop.sandbox.keys import authenticate
from shop.sandbox.refusals import Body, Refusal
from shop.sandbox.routes import Route, routes
from shop.sandbox.store import Origin, Transaction
from shop.sandbox.strangers import sent_by_another_page
from shop.sandbox.wire import Tree, decoded

log = logging.getLogger(__name__)

_FORM = "application/x-www-form-urlencoded"
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


def install(app: Flask, account: Account) -> None:
    app.register_error_handler(HungUp, _no_answer)
    app.register_error_handler(500, _failed)
    for route in routes(account.settings):
        name = f"{route.method} {route.path}"
        app.add_url_rule(route.path, name, _view(route, account), methods=[route.method])
    for version in ("v1", "v2"):
        app.add_url_rule(f"/{version}/<path:rest>", f"unknown {version}", _unknown(account), methods=_METHODS)


def _view(route: Route, account: Account) -> Callable[..., Response]:
    def answer(key: str = "") -> Response:
        return _answered(account, lambda call: _carried_out(route, account, call, key))

    return answer


def _unknown(account: Account) -> Callable[..., Response]:
    def answer(rest: str) -> Response:
        def refuse(_: "_Call") -> tuple[int, Body]:
            raise Refusal(f"Unrecognized request URL ({request.method}: {request.path}).", status=404)

        return _answered(account, refuse)

    return answer


class HungUp(Exception):
    """The connection is to be closed without an answer."""


class _NoAnswer:
    """A body that breaks before its first byte: the server takes it for a client that went away, and closes."""

    def __iter__(self) -> Iterator[bytes]:
        raise ConnectionAbortedError


def _no_answer(_: HungUp) -> Response:
    return Response(_NoAnswer())


def _failed(failure: InternalServerError) -> Response:
    """A mistake of the local Stripe itself, in the shape that the SDK can read; Flask has logged it."""
    if not request.path.startswith(("/v1/", "/v2/")):
        return Response("The local Stripe made a mistake; its log says more.", 500, content_type="text/plain")
    body = Refusal("The local Stripe made a mistake; its log says more.", status=500, kind="api_error").body()
    return Response(json.dumps(body), 500, content_type="application/json")


@dataclass
class _Call:
    """One request: its id, its idempotency key, and what the answer's headers have to say."""

    request_id: str
    key: str | None
    first_request: str = ""
    """The request that a replayed answer was first given to."""
    lose_answer: bool = False
    hold_answer: bool = False
    failure: Refusal | None = None
    """What the work is answered with instead of being done, so that the key keeps it."""


def _answered(account: Account, work: Callable[[_Call], tuple[int, Body]]) -> Response:
    with account.store.transaction() as tx:
        request_id = tx.new_id("req_", 14)
    call = _Call(request_id, request.headers.get("Idempotency-Key") or None if request.method == "POST" else None)
    try:
        if sent_by_another_page(request):
            raise Refusal("The API does not answer pages of other origins.", status=403)
        authenticate(request.headers.get("Authorization"))
        _fault(account, call)
        status, body = work(call)
    except Refusal as refusal:
        status, body = refusal.status, refusal.body()
    log.info("%s %s %s %s", request.method, request.path, status, call.request_id)
    if call.hold_answer:
        account.faults.wait()
    if call.lose_answer:
        raise HungUp
    return _response(call, status, body)


def _carried_out(route: Route, account: Account, call: _Call, key: str) -> tuple[int, Body]:
    tree = versions.as_sent_today(versions.named(request.headers.get("Stripe-Version")), request.path, _parameters())
    if call.key is None:
        return _work(route, account, call, key, tree)
    print_ = idempotency.fingerprint(request.method, request.path, tree)
    kept = idempotency.begin(account.store, call.key, print_, call.request_id)
    if kept is not None:
        call.first_request = kept.request_id
        return kept.status, kept.body
    try:
        return _work(route, account, call, key, tree)
    except Refusal as refusal:
        if not refusal.executed:
            raise
        with account.store.transaction() as tx:
            idempotency.keep(tx, call.key, refusal.status, refusal.body())
        return refusal.status, refusal.body()
    finally:
        idempotency.give_back(account.store, call.key)


def _parameters() -> dict[str, Tree]:
    """What was sent, in the query and in the body alike: at Stripe both count, so neither may be overlooked."""
    encoded = request.query_string
    try:
        if request.method == "POST":
            encoded += b"&" + request.get_data()
            if request.mimetype not in ("", _FORM):
                raise Refusal(f"Invalid request (check that your POST content type is {_FORM}).")
        return decoded(encoded.decode())
    except RequestEntityTooLarge:
        raise Refusal("Invalid request: the parameters are too large.", status=413) from None
    except ValueError:
        raise Refusal("Invalid request: the parameters could not be read as a form in UTF-8.") from None


def _work(route: Route, account: Account, call: _Call, key: str, tree: dict[str, Tree]) -> tuple[int, Body]:
    params = held_against(route.params, tree)
    if call.failure:
        raise call.failure
    with account.store.transaction(Origin(call.request_id, call.key)) as tx:
        result = route.act(tx, params, key)
        status, body = _answer_of(tx, result, params.get("expand", []))
        if call.key is not None and not call.hold_answer:
            idempotency.keep(tx, call.key, status, body)
    account.deliveries.wake(call.request_id)
    if call.hold_answer:
        # The key stays "in progress" for as long as the answer is held back.
        account.faults.wait()
        call.hold_answer = False
        if call.key is not None:
            with account.store.transaction() as tx:
                idempotency.keep(tx, call.key, status, body)
    return status, body


def _answer_of(tx: Transaction, result: Body | lists.Page | Refusal, expand: list[str]) -> tuple[int, Body]:
    if isinstance(result, Refusal):
        return result.status, result.body()
    return 200, expansion.expanded(tx, result.body() if isinstance(result, lists.Page) else result, expand)


def _fault(account: Account, call: _Call) -> None:
    kind = account.faults.take(request.method, request.path, str(request.url_rule))
    call.hold_answer = kind == "slow"
    call.lose_answer = kind == "drop_after"
    if kind == "429":
        message = "Request rate limit exceeded. You can learn more about rate limits here https://stripe.com/docs/rate-limits."
        raise Refusal(message, status=429, code="rate_limit")
    unknown = Refusal("An unknown error occurred", status=500, kind="api_error", executed=True)
    if kind == "500":
        raise unknown
    call.failure = unknown if kind == "500_stored" else None
    if kind == "timeout":
        account.faults.wait()
        raise HungUp


def _response(call: _Call, status: int, body: Body) -> Response:
    answer = Response(json.dumps(body, indent=2), status, content_type="application/json")
    answer.headers["Request-Id"] = call.request_id
    answer.headers["Stripe-Version"] = request.headers.get("Stripe-Version", stripe.api_version)
    answer.headers["Cache-Control"] = "no-cache, no-store"
    if call.key is not None:
        answer.headers["Idempotency-Key"] = call.key
        answer.headers["Original-Request"] = call.first_request or call.request_id
    if call.first_request:
        answer.headers["Idempotent-Replayed"] = "true"
    if status in (409, 500):
        answer.headers["Stripe-Should-Retry"] = "true"
    return answer
