"""Checkout Sessions: made, read, changed, expired."""

import secrets

from shop.sandbox import events, lines, offered, rules
from shop.sandbox.metadata import change_metadata, stored_metadata
from shop.sandbox.refusals import Body, Refusal, check_played
from shop.sandbox.resources import completed
from shop.sandbox.store import Transaction

KIND = "checkout.session"
DAY = 24 * 60 * 60


class NotOpen(Exception):
    """The session is complete or expired already."""

    def __init__(self, session: Body) -> None:
        super().__init__(session["status"])
        self.session = session


def create(tx: Transaction, params: Body, *, public_url: str, business_name: str) -> Body:
    """A new open session. Raises Refusal for whatever Stripe would refuse."""
    params = lines.with_what_they_name(tx, params)
    rules.check_session(params)
    rules.check_expiry(params, tx.now)
    currency = lines.currency_of(params["line_items"][0])
    items = [lines.make_line(tx, line) for line in params["line_items"]]
    options = [lines.make_shipping_option(tx, option) for option in params.get("shipping_options") or []]
    key = tx.new_id("cs_test_a1", 56)
    expires_at = params.get("expires_at", tx.now + DAY)
    subtotal = sum(item["amount_total"] for item in items)
    session = completed(
        {
            **_echoed(params),
            "id": key,
            "object": KIND,
            "adaptive_pricing": {"enabled": params.get("adaptive_pricing", {}).get("enabled", True)},
            "after_expiration": _after_expiration(params),
            "automatic_tax": {"enabled": False},
            "branding_settings": _branding(params, business_name),
            "created": tx.now,
            "currency": currency,
            "custom_fields": [],
            "custom_text": params.get("custom_text") or {},
            "customer_creation": "if_required",
            "customer_details": _known_customer(params),
            "discounts": [],
            "expires_at": expires_at,
            "invoice_creation": _no_invoice(),
            "livemode": False,
            "metadata": stored_metadata(params.get("metadata")),
            "mode": "payment",
            "payment_method_collection": "if_required",
            "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
            "payment_method_types": offered.methods_for(currency, params),
            "payment_status": "unpaid",
            "phone_number_collection": {"enabled": False},
            "shipping_options": options,
            "status": "open",
            "success_url": params["success_url"],
            "ui_mode": "hosted_page",
            "url": f"{public_url.rstrip('/')}/c/pay/{key}",
        }
    )
    session = priced(tx, session, subtotal, options[0] if options else None)
    private = {
        "line_items": items,
        "payment_intent_data": params.get("payment_intent_data", {}),
        "deadline": tx.due_clock + (expires_at - tx.now),
        "token": secrets.token_urlsafe(24),
    }
    return tx.insert(session, private)


def update(tx: Transaction, key: str, params: Body) -> Body:
    """Changes the metadata, at any time of a session's life; a key set to the empty string is removed."""
    session = tx.get(KIND, key, "session")
    check_played(params, "metadata")
    change_metadata(session, params)
    return tx.update(session)


def expire(tx: Transaction, key: str) -> Body:
    """Ends an open session, so that nobody can pay it any more. Raises Refusal for one that is not open."""
    session = tx.get(KIND, key, "session")
    if session["status"] != "open":
        raise Refusal(
            'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a status of '
            f"`{session['status']}`.",
            param="session",
            executed=True,
        )
    session |= {"status": "expired", "url": None}
    tx.update(session)
    _cancel_intent(tx, session)
    events.record(tx, "checkout.session.expired", session)
    return session


def expire_due(tx: Transaction) -> int:
    """Expires every open session whose time has come by the sandbox's clock; returns how many."""
    due = tx.rows(
        "SELECT id FROM objects WHERE object = ? AND json_extract(body, '$.status') = 'open'"
        " AND json_extract(private, '$.deadline') <= ?",
        (KIND, tx.due_clock),
    )
    for (key,) in due:
        expire(tx, key)
    return len(due)


def line_items(tx: Transaction, key: str) -> list[Body]:
    tx.get(KIND, key, "session")
    items: list[Body] = tx.private(key)["line_items"]
    return items


def priced(tx: Transaction, session: Body, subtotal: int, option: Body | None) -> Body:
    """The session with its totals for one choice of shipping; a discount that it has stays."""
    discount = (session.get("total_details") or {}).get("amount_discount", 0)
    shipping = option["shipping_amount"] if option else 0
    cost = None
    if option:
        cost = {
            "amount_subtotal": shipping,
            "amount_tax": 0,
            "amount_total": shipping,
            "shipping_rate": option["shipping_rate"],
        }
    return completed(
        session
        | {
            "amount_subtotal": subtotal,
            "amount_total": subtotal - discount + shipping,
            "shipping_cost": cost,
            "total_details": {"amount_discount": discount, "amount_shipping": shipping, "amount_tax": 0},
        }
    )


_ECHOED = [
    "allow_promotion_codes",
    "allowed_payment_method_types",
    "billing_address_collection",
    "cancel_url",
    "client_reference_id",
    "customer_email",
    "excluded_payment_method_types",
    "integration_identifier",
    "locale",
    "origin_context",
    "shipping_address_collection",
    "submit_type",
    "wallet_options",
]


def _echoed(params: Body) -> Body:
    return {name: params[name] for name in _ECHOED if name in params}


def _branding(params: Body, business_name: str) -> Body:
    standard = {
        "background_color": "#ffffff",
        "border_style": "rounded",
        "button_color": "#0074d4",
        "display_name": business_name,
        "font_family": "default",
    }
    return standard | {k: v for k, v in params.get("branding_settings", {}).items() if v != ""}


def _after_expiration(params: Body) -> Body | None:
    """Recovery is not played, but a shop that says so finds its word in the session."""
    recovery = (params.get("after_expiration") or {}).get("recovery")
    return recovery and {"recovery": {"allow_promotion_codes": False, **recovery}}


def _known_customer(params: Body) -> Body | None:
    email = params.get("customer_email")
    return {"email": email, "tax_exempt": "none"} if email else None


def _no_invoice() -> Body:
    return {"enabled": False, "invoice_data": {"metadata": {}}}


def _cancel_intent(tx: Transaction, session: Body) -> None:
    """A session that ends takes with it the payment that was begun and not finished."""
    if not session["payment_intent"]:
        return
    intent = tx.get("payment_intent", session["payment_intent"])
    if intent["status"] in ("succeeded", "canceled", "processing"):
        return
    intent |= {"status": "canceled", "canceled_at": tx.now, "cancellation_reason": "expired", "next_action": None}
    tx.update(intent)
    events.record(tx, "payment_intent.canceled", intent)
