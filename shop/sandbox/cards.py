"""Stripe's test cards (docs.stripe.com/testing): which pay, which ask for 3-D Secure, which decline and how."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True)
class Decline:
    """Why a charge failed, as Stripe says it; `field` is the form field that the message belongs beside."""

    code: str
    message: str
    decline_code: str | None = None
    field: str = "number"


@dataclass(frozen=True)
class TestCard:
    """One card: its number is known here and nowhere stored."""

    __test__ = False  # or pytest takes it for a test

    number: str
    brand: str
    label: str
    decline: Decline | None = None
    asks_3ds: bool = False
    decline_after_3ds: Decline | None = None
    country: str = "US"
    disputed_as: str | None = None
    """The reason that a paid charge is disputed for."""
    is_inquiry: bool = False
    refund_ends: str | None = None
    """How a refund ends some time after it was made: `succeeded`, having been pending, or `failed`."""

    @property
    def last4(self) -> str:
        return self.number[-4:]


@dataclass(frozen=True)
class Means:
    """How the buyer pays: a card, an app that says yes or no at once, or a bank debit that does days later."""

    card: TestCard | None = None
    exp_month: int = 12
    exp_year: int = 2034
    is_typed: bool = False
    """Typed by hand rather than picked: what was typed is found again on the form after a failed 3-D Secure."""
    app: str = ""
    """One of `offered.APPS`."""

    @property
    def is_delayed(self) -> bool:
        return self.card is None and not self.app


_DECLINED = "Your card was declined."
GENERIC = Decline("card_declined", _DECLINED, "generic_decline")
AUTHENTICATION_FAILED = Decline(
    "payment_intent_authentication_failure",
    "We are unable to authenticate your payment method. Please choose a different payment method and try again.",
)
NOT_A_TEST_CARD = Decline(
    "card_declined",
    "Your card was declined. Your request was in test mode, but used a non test card. "
    "For a list of valid test cards, visit: https://stripe.com/docs/testing.",
    "test_mode_live_card",
)
_VELOCITY = "Your card was declined for making repeated attempts too frequently or exceeding its amount limit."

CARDS = (
    TestCard("4242424242424242", "visa", "Visa, pays"),
    TestCard("5555555555554444", "mastercard", "Mastercard, pays"),
    TestCard("378282246310005", "amex", "American Express, pays"),
    TestCard("4000007020000003", "visa", "Visa from Singapore, pays", country="SG"),
    TestCard("4000002500003155", "visa", "Asks for 3-D Secure", asks_3ds=True),
    TestCard("4000002760003184", "visa", "Always asks for 3-D Secure", asks_3ds=True),
    TestCard("4000008400001629", "visa", "3-D Secure, then declined", asks_3ds=True, decline_after_3ds=GENERIC),
    TestCard("4000000000000002", "visa", "Declined", GENERIC),
    TestCard(
        "4000000000009995",
        "visa",
        "Declined: insufficient funds",
        Decline("card_declined", "Your card has insufficient funds.", "insufficient_funds"),
    ),
    TestCard("4000000000009987", "visa", "Declined: lost card", Decline("card_declined", _DECLINED, "lost_card")),
    TestCard("4000000000009979", "visa", "Declined: stolen card", Decline("card_declined", _DECLINED, "stolen_card")),
    TestCard(
        "4000000000000069",
        "visa",
        "Declined: expired card",
        Decline("expired_card", "Your card has expired.", field="exp"),
    ),
    TestCard(
        "4000000000000127",
        "visa",
        "Declined: wrong CVC",
        Decline("incorrect_cvc", "Your card's security code is incorrect.", field="cvc"),
    ),
    TestCard(
        "4000000000000119",
        "visa",
        "Declined: processing error",
        Decline("processing_error", "An error occurred while processing your card. Try again in a little bit."),
    ),
    TestCard(
        "4000000000006975",
        "visa",
        "Declined: too many attempts",
        Decline("card_declined", _VELOCITY, "card_velocity_exceeded"),
    ),
    TestCard("4000000000000259", "visa", "Pays, then disputed as fraudulent", disputed_as="fraudulent"),
    TestCard("4000000000002685", "visa", "Pays, then disputed: not received", disputed_as="product_not_received"),
    TestCard("4000000000001976", "visa", "Pays, then an inquiry", disputed_as="fraudulent", is_inquiry=True),
    TestCard("4000000000007726", "visa", "Pays; a refund is pending, then succeeds", refund_ends="succeeded"),
    TestCard("4000000000005126", "visa", "Pays; a refund succeeds, then fails", refund_ends="failed"),
)
_BY_NUMBER = {card.number: card for card in CARDS}
BY_LAST4 = {card.last4: card for card in CARDS}


def recognised(number: str) -> TestCard:
    """The test card with this number; of any other, no more than its last digits are kept, and it is declined."""
    known = _BY_NUMBER.get(number)
    return known or TestCard("0000" + number[-4:], _brand(number), "No card of the list", NOT_A_TEST_CARD)


def _brand(number: str) -> str:
    if number.startswith("4"):
        return "visa"
    if number[:2] in ("34", "37"):
        return "amex"
    return "mastercard" if number[:1] in ("2", "5") else "unknown"


def passes_luhn(number: str) -> bool:
    """Whether the last digit of `number` is the check digit of the others (ISO/IEC 7812)."""
    if not number.isascii() or not number.isdigit() or not 12 <= len(number) <= 19:
        return False
    doubled = (int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(number)))
    return sum(n - 9 if n > 9 else n for n in doubled) % 10 == 0


def has_expired(month: int, year: int, today: date) -> bool:
    return (year, month) < (today.year, today.month)
