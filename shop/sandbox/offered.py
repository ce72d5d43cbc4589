"""The ways to pay that the account has switched on, and those that a session offers."""

from shop.sandbox.refusals import Body, Refusal

APPS = {"paynow": ("sgd",), "grabpay": ("sgd", "myr")}
"""What is paid in a banking app or a wallet, and the currencies that it takes."""

DEBIT_OF = {
    "eur": "sepa_debit",
    "gbp": "bacs_debit",
    "aud": "au_becs_debit",
    "cad": "acss_debit",
    "usd": "us_bank_account",
}


def debit_for(currency: str) -> str:
    """The delayed debit that the page offers; outside these currencies it stands in as SEPA's."""
    return DEBIT_OF.get(currency, "sepa_debit")


def methods_for(currency: str, params: Body) -> list[str]:
    """What a session in `currency` offers after what its parameters allow and exclude. Raises Refusal for nothing."""
    apps = [app for app, currencies in APPS.items() if currency in currencies]
    methods = ["card", *apps, debit_for(currency)]
    allowed = params.get("allowed_payment_method_types") or methods
    excluded = params.get("excluded_payment_method_types") or ()
    left = [method for method in methods if method in allowed and method not in excluded]
    if not left:
        raise Refusal("No valid payment method types for this Checkout Session.", param="excluded_payment_method_types")
    return left
