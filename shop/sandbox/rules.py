"""What Stripe asks of a Checkout Session beyond types: limits, amounts, currencies, times, addresses.

Source: docs.stripe.com/api/checkout/sessions/create. A parameter that Stripe knows and the local Stripe does not
act on is refused by name, for a silently ignored one would be found in production.
"""

from typing import Any

from shop.sandbox import line_rules
from shop.sandbox.metadata import check_metadata
from shop.sandbox.refusals import Refusal, missing_parameter, not_played
from shop.sandbox.texts import EMAIL, check_length, check_url

Params = dict[str, Any]

EARLIEST_EXPIRY = 30 * 60
LATEST_EXPIRY = 24 * 60 * 60


def _words(listed: str) -> tuple[str, ...]:
    return tuple(listed.split())


_NOT_PLAYED = _words(
    """consent_collection custom_fields customer_account customer_update invoice_creation managed_payments
    name_collection optional_items payment_method_configuration payment_method_data payment_method_options
    phone_number_collection return_url redirect_on_completion saved_payment_method_options setup_intent_data
    subscription_data tax_id_collection payment_method_collection permissions"""
)
_INTENT_NOT_PLAYED = ["application_fee_amount", "on_behalf_of", "transfer_data"]
_NOT_SWITCHED_ON = (("automatic_tax", ""), ("after_expiration", "recovery"))


def check_session(params: Params) -> None:
    """Raises the first Refusal that Stripe would answer with."""
    _check_scope(params)
    _check_texts(params)
    line_rules.check_goods(params)


def check_expiry(params: Params, now: int) -> None:
    """`expires_at` between 30 minutes and 24 hours after creation."""
    expires_at = params.get("expires_at")
    if expires_at is None:
        return
    if expires_at < now + EARLIEST_EXPIRY:
        raise Refusal(
            "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation.", param="expires_at"
        )
    if expires_at > now + LATEST_EXPIRY:
        raise Refusal(
            "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation.", param="expires_at"
        )


def _check_scope(params: Params) -> None:
    if "mode" not in params:
        raise missing_parameter("mode")
    if params["mode"] != "payment":
        raise not_played("mode", f"only `payment`, not `{params['mode']}`")
    if params.get("ui_mode", "hosted_page") != "hosted_page":
        raise not_played("ui_mode", "only `hosted_page`")
    for name in _NOT_PLAYED:
        if params.get(name, False) is not False:
            raise not_played(name)
    if params.get("billing_address_collection") == "required":
        raise not_played("billing_address_collection", "only `auto`")
    if params.get("customer_creation") == "always":
        raise not_played("customer_creation", "only `if_required`")
    for outer, inner in _NOT_SWITCHED_ON:
        if _within(params, outer, inner).get("enabled"):
            raise not_played(f"{outer}[{inner}][enabled]" if inner else f"{outer}[enabled]")
    intent = params.get("payment_intent_data", {})
    for name in _INTENT_NOT_PLAYED:
        if name in intent:
            raise not_played(f"payment_intent_data[{name}]")
    if intent.get("capture_method") == "manual":
        raise not_played("payment_intent_data[capture_method]", "not `manual`")
    _check_references(params)


def _within(params: Params, outer: str, inner: str) -> Params:
    found: Params = params.get(outer) or {}
    return (found.get(inner) or {}) if inner else found


def _check_references(params: Params) -> None:
    """The account is new: it has no customers, coupons or promotion codes."""
    for index, discount in enumerate(params.get("discounts") or []):
        for kind, value in discount.items():
            name, param = kind.replace("_", " "), f"discounts[{index}][{kind}]"
            raise Refusal(f"No such {name}: '{value}'", code="resource_missing", param=param)
    if "customer" in params:
        raise Refusal(f"No such customer: '{params['customer']}'", code="resource_missing", param="customer")


def _check_texts(params: Params) -> None:
    if "success_url" not in params:
        raise missing_parameter("success_url")
    check_url(params["success_url"], "success_url")
    check_url(params.get("cancel_url"), "cancel_url")
    check_length(params.get("client_reference_id"), 200, "client_reference_id")
    check_metadata(params.get("metadata"), "metadata")
    check_metadata(params.get("payment_intent_data", {}).get("metadata"), "payment_intent_data[metadata]")
    for path, email in (
        ("customer_email", params.get("customer_email")),
        ("payment_intent_data[receipt_email]", params.get("payment_intent_data", {}).get("receipt_email")),
    ):
        if email is not None and not EMAIL.match(email):
            raise Refusal(f"Invalid email address: {email}", code="email_invalid", param=path)
