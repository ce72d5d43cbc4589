"""The API's endpoints: of each the SDK's parameter type that requests are held against, and the work."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NotRequired, TypedDict

from stripe import params as p
from stripe.params import checkout as c
from stripe.params import test_helpers

from shop.sandbox import (
    balance,
    endpoints,
    events,
    intents,
    lists,
    methods,
    payment_pages,
    products,
    refunds,
    rulings,
    sessions,
)
from shop.sandbox.refusals import Body, Refusal
from shop.sandbox.settings import SandboxSettings
from shop.sandbox.store import Transaction

Act = Callable[[Transaction, Body, str], Body | lists.Page | Refusal]


@dataclass(frozen=True)
class Route:
    """One endpoint: its `act` is given the transaction, the parameters, and the id in the path or nothing.

    A refusal that it raises undoes its work; one that it returns, a decline, is an answer to work that was done.
    """

    method: str
    path: str
    params: type
    act: Act


def routes(settings: SandboxSettings) -> list[Route]:
    return [*_of_sessions(settings), *_of_goods(), *_of_payments(), *_of_money_back(), *_of_events()]


def _of_sessions(settings: SandboxSettings) -> list[Route]:
    def create(tx: Transaction, params: Body, _: str) -> Body:
        return sessions.create(tx, params, public_url=settings.public_url, business_name=settings.business_name)

    url = "/v1/checkout/sessions"
    return [
        Route("POST", url, c.SessionCreateParams, create),
        Route("GET", url, c.SessionListParams, _listing("checkout.session", url)),
        Route("GET", f"{url}/<key>", c.SessionRetrieveParams, _reading("checkout.session", "session")),
        Route("POST", f"{url}/<key>", c.SessionUpdateParams, lambda tx, given, key: sessions.update(tx, key, given)),
        Route("POST", f"{url}/<key>/expire", c.SessionExpireParams, lambda tx, _, key: sessions.expire(tx, key)),
        Route("GET", f"{url}/<key>/line_items", c.SessionListLineItemsParams, _line_items),
    ]


def _of_goods() -> list[Route]:
    product, price = "/v1/products", "/v1/prices"
    return [
        Route("POST", product, p.ProductCreateParams, lambda tx, given, _: products.create_product(tx, given)),
        *_readable("product", p.ProductRetrieveParams, p.ProductListParams, "id"),
        Route(
            "POST", f"{product}/<key>", p.ProductUpdateParams, lambda tx, v, key: products.update_product(tx, key, v)
        ),
        Route("POST", price, p.PriceCreateParams, lambda tx, given, _: products.create_price(tx, given)),
        *_readable("price", p.PriceRetrieveParams, p.PriceListParams),
        Route("POST", f"{price}/<key>", p.PriceUpdateParams, lambda tx, v, key: products.update_price(tx, key, v)),
    ]


def _of_payments() -> list[Route]:
    intent, method, page = "/v1/payment_intents", "/v1/payment_methods", "/v1/payment_pages/<key>"
    return [
        Route("POST", intent, p.PaymentIntentCreateParams, lambda tx, given, _: intents.create(tx, given)),
        *_readable("payment_intent", p.PaymentIntentRetrieveParams, p.PaymentIntentListParams, "intent"),
        Route("POST", f"{intent}/<key>", p.PaymentIntentUpdateParams, lambda tx, v, key: intents.update(tx, key, v)),
        Route(
            "POST",
            f"{intent}/<key>/confirm",
            p.PaymentIntentConfirmParams,
            lambda tx, given, key: intents.confirm(tx, key, given),
        ),
        Route(
            "POST",
            f"{intent}/<key>/cancel",
            p.PaymentIntentCancelParams,
            lambda tx, given, key: intents.cancel(tx, key, given),
        ),
        *_readable("charge", p.ChargeRetrieveParams, p.ChargeListParams),
        Route("POST", method, p.PaymentMethodCreateParams, lambda tx, given, _: methods.create(tx, given)),
        *_readable("payment_method", p.PaymentMethodRetrieveParams, p.PaymentMethodListParams),
        Route("GET", page, payment_pages.ReadParams, lambda tx, _, key: payment_pages.read(tx, key)),
        Route(
            "POST",
            f"{page}/confirm",
            payment_pages.ConfirmParams,
            lambda tx, given, key: payment_pages.confirm(tx, key, given),
        ),
    ]


def _of_money_back() -> list[Route]:
    refund, dispute, line = "/v1/refunds", "/v1/disputes", "/v1/balance_transactions"
    expiry = "/v1/test_helpers/refunds/<key>/expire"
    return [
        Route("POST", refund, p.RefundCreateParams, lambda tx, given, _: refunds.create(tx, given)),
        *_readable("refund", p.RefundRetrieveParams, p.RefundListParams),
        Route("POST", f"{refund}/<key>", p.RefundUpdateParams, lambda tx, given, key: refunds.update(tx, key, given)),
        Route("POST", f"{refund}/<key>/cancel", p.RefundCancelParams, lambda tx, _, key: refunds.cancel(tx, key)),
        Route("POST", expiry, test_helpers.RefundExpireParams, lambda tx, _, key: refunds.expire(tx, key)),
        *_readable("dispute", p.DisputeRetrieveParams, p.DisputeListParams),
        Route("POST", f"{dispute}/<key>", p.DisputeUpdateParams, lambda tx, given, key: rulings.update(tx, key, given)),
        Route("POST", f"{dispute}/<key>/close", p.DisputeCloseParams, lambda tx, _, key: rulings.close(tx, key)),
        Route("GET", "/v1/balance", p.BalanceRetrieveParams, lambda tx, _, __: balance.read(tx)),
        Route("GET", line, p.BalanceTransactionListParams, _listing(balance.KIND, line, balance.as_read)),
        Route("GET", f"{line}/<key>", p.BalanceTransactionRetrieveParams, _reading(balance.KIND, read=balance.as_read)),
    ]


class RetryParams(TypedDict):
    """What `stripe events resend` sends; no documentation names it."""

    webhook_endpoint: NotRequired[str]
    for_stripecli: NotRequired[bool]
    expand: NotRequired[list[str]]


def _of_events() -> list[Route]:
    hook, one = "/v1/webhook_endpoints", "/v1/webhook_endpoints/<key>"
    return [
        Route("GET", "/v1/events", p.EventListParams, _listing("event", "/v1/events", events.as_sent_now)),
        Route("GET", "/v1/events/<key>", p.EventRetrieveParams, _reading("event", read=events.as_sent_now)),
        Route("POST", "/v1/events/<key>/retry", RetryParams, lambda tx, given, key: events.retry(tx, key, given)),
        Route("POST", hook, p.WebhookEndpointCreateParams, lambda tx, given, _: endpoints.create(tx, given)),
        *_readable(endpoints.KIND, p.WebhookEndpointRetrieveParams, p.WebhookEndpointListParams),
        Route("POST", one, p.WebhookEndpointUpdateParams, lambda tx, given, key: endpoints.update(tx, key, given)),
        Route("DELETE", one, p.WebhookEndpointDeleteParams, lambda tx, _, key: endpoints.delete(tx, key)),
    ]


def _as_it_is(_: Transaction, body: Body) -> Body:
    return body


def _readable(kind: str, retrieve: type, listed: type, param: str = "") -> list[Route]:
    url = f"/v1/{kind}s"
    return [
        Route("GET", url, listed, _listing(kind, url)),
        Route("GET", f"{url}/<key>", retrieve, _reading(kind, param or kind)),
    ]


def _reading(kind: str, param: str = "id", read: Callable[[Transaction, Body], Body] = _as_it_is) -> Act:
    return lambda tx, _, key: read(tx, tx.get(kind, key, param))


def _listing(kind: str, url: str, read: Callable[[Transaction, Body], Body] = _as_it_is) -> Act:
    def page(tx: Transaction, params: Body, _: str) -> lists.Page:
        found = lists.of_kind(tx, kind, params, url)
        return lists.Page([read(tx, body) for body in found.items], found.has_more, url)

    return page


def _line_items(tx: Transaction, params: Body, key: str) -> lists.Page:
    return lists.of_items(sessions.line_items(tx, key), params, f"/v1/checkout/sessions/{key}/line_items")
