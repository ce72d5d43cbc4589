"""The payment page's form: who, where to, which shipping, and with what."""

import re
from datetime import UTC, datetime
from typing import Any

from wtforms import Form, StringField
from wtforms.validators import ValidationError

from shop.sandbox import addresses, cards
from shop.sandbox.cards import Decline, Means
from shop.sandbox.elsewhere import means_of
from shop.sandbox.offered import APPS
from shop.sandbox.payments import Address, Buyer
from shop.sandbox.refusals import Body
from shop.sandbox.testbuyer import test_buyer
from shop.sandbox.texts import EMAIL

_TEST_NUMBERS = frozenset(card.number for card in cards.CARDS)


NAMED = {"card": "Card", "paynow": "PayNow", "grabpay": "GrabPay"}


def _methods(types: list[str]) -> list[tuple[str, str]]:
    """The ways to pay that the session's payment method types leave, with their names on the page."""
    offered = [(kind, name) for kind, name in NAMED.items() if kind in types]
    return [*offered, ("delayed_debit", "Delayed bank debit")] if set(types) - set(NAMED) else offered


def digits(text: str | None) -> str:
    return re.sub(r"[\s-]", "", text or "")


class PaymentForm(Form):  # type: ignore[misc]  # WTForms has no types
    """`session` decides which fields count: an address only where the shop asks for one, and so on."""

    email = StringField("E-mail")
    name = StringField("Full name")
    country = StringField("Country or region")
    line1 = StringField("Address")
    line2 = StringField("Flat, floor, building (optional)")
    city = StringField("Town or city")
    state = StringField("State or province")
    postal_code = StringField("Postal code")
    shipping_option = StringField("Shipping")
    method = StringField("Pay with")
    test_card = StringField("Test card")
    number = StringField("Card number")
    exp = StringField("Expiry (MM / YY)")
    cvc = StringField("CVC")
    promotion_code = StringField("Promotion code")

    def __init__(self, session: Body, options: list[tuple[str, str]], formdata: Any = None, **values: Any) -> None:
        super().__init__(formdata, **values)
        self.session = session
        self.asks_address = bool(session["shipping_address_collection"])
        wanted = session["shipping_address_collection"] or {}
        self.countries = addresses.named(wanted.get("allowed_countries", []))
        self.shipping_options = options
        self.methods = _methods(session["payment_method_types"])
        codes = [code for code, _ in self.countries]
        if self.country.data is None and codes:
            self.country.data = "SG" if "SG" in codes else codes[0]
        if self.shipping_option.data is None and options:
            self.shipping_option.data = options[0][0]
        if self.method.data is None:
            self.method.data = self.methods[0][0]
        if self.test_card.data is None:
            self.test_card.data = cards.CARDS[0].number

    @classmethod
    def after_step(cls, session: Body, options: list[tuple[str, str]], pending: Body) -> "PaymentForm":
        """As it was filled in before the buyer was led elsewhere, but for the security code; the number is that of the
        known test card."""
        buyer, means = pending["buyer"], means_of(pending)
        known = {**buyer["address"], "email": buyer["email"], "name": buyer["name"]}
        values = {name: value or "" for name, value in known.items()}
        values |= {"shipping_option": buyer["shipping_rate"], "method": means.app or "card"}
        if means.card and means.is_typed:
            exp = f"{means.exp_month:02} / {means.exp_year % 100:02}"
            values |= {"number": means.card.number, "exp": exp}
        elif means.card:
            values["test_card"] = means.card.number
        return cls(session, options, data=values)

    def filled_in(self) -> "PaymentForm":
        """The form with a test buyer of the chosen country; what was chosen stays."""
        chosen = {field.name: field.data for field in (self.shipping_option, self.method, self.test_card)}
        values = test_buyer(self.country.data or "SG") | chosen
        return PaymentForm(self.session, self.shipping_options, data=values)

    def validate_email(self, field: Any) -> None:
        if not (field.data or "").strip():
            raise ValidationError("Enter your e-mail address.")
        if not EMAIL.match(field.data.strip()) or len(field.data) > 254:
            raise ValidationError("This is not an e-mail address: it needs an @ and a domain, like reader@example.com.")

    def validate_name(self, field: Any) -> None:
        self._need(field, "Enter your full name.")

    def validate_country(self, field: Any) -> None:
        if self.asks_address and not self._ships_there:
            raise ValidationError("The shop does not send to this country. Choose one from the list.")

    def validate_line1(self, field: Any) -> None:
        if self.asks_address:
            self._need(field, "Enter the street and house number.")

    def validate_city(self, field: Any) -> None:
        if self._ships_there and self.country.data not in addresses.NO_CITY:
            self._need(field, "Enter the town or city.")

    def validate_state(self, field: Any) -> None:
        if self._ships_there and self.country.data in addresses.NEEDS_STATE:
            self._need(field, "Enter the state or province.")

    def validate_postal_code(self, field: Any) -> None:
        if not self._ships_there:
            return
        mistake = addresses.postal_code_mistake(self.country.data or "", (field.data or "").strip())
        if mistake:
            raise ValidationError(mistake)

    def validate_shipping_option(self, field: Any) -> None:
        if self.shipping_options and field.data not in [key for key, _ in self.shipping_options]:
            raise ValidationError("Choose one of these ways of shipping.")

    def validate_method(self, field: Any) -> None:
        if field.data not in [key for key, _ in self.methods]:
            raise ValidationError("Choose one of these ways to pay.")

    def validate_test_card(self, field: Any) -> None:
        if self.method.data == "card" and not self.is_typed_card and field.data not in _TEST_NUMBERS:
            raise ValidationError("Choose one of these test cards.")

    def validate_number(self, field: Any) -> None:
        if self.is_typed_card and not cards.passes_luhn(digits(field.data)):
            raise ValidationError("Your card number is invalid.")

    def validate_exp(self, field: Any) -> None:
        if not self.is_typed_card:
            return
        expiry = self._expiry()
        if expiry is None:
            raise ValidationError("Enter the expiry date as month and year, like 12 / 34.")
        if cards.has_expired(*expiry, datetime.now(UTC).date()):
            raise ValidationError("Your card's expiration date is in the past.")

    def validate_cvc(self, field: Any) -> None:
        if not self.is_typed_card:
            return
        wanted = 4 if digits(self.number.data)[:2] in ("34", "37") else 3
        if not re.fullmatch(rf"[0-9]{{{wanted}}}", digits(field.data)):
            raise ValidationError(f"Enter the {wanted} digits of your card's security code.")

    @property
    def _ships_there(self) -> bool:
        """Whether an address is asked for and its country is one of the shop's: only then its form is known."""
        return self.asks_address and self.country.data in [code for code, _ in self.countries]

    @property
    def is_typed_card(self) -> bool:
        """Anything typed into the card fields counts over the test card that is picked."""
        return self.method.data == "card" and any(digits(f.data) for f in (self.number, self.exp, self.cvc))

    @property
    def first_wrong(self) -> str | None:
        """The name of the first field with a message: the browser scrolls there."""
        return next((field.name for field in self if field.errors), None)

    def tell(self, decline: Decline) -> None:
        """Puts the decline beside what it is about: the field that was typed in, the card or the method that was picked."""
        is_picked = self.method.data == "card" and not self.is_typed_card
        field = self["test_card" if is_picked else decline.field]
        field.errors = [*field.errors, decline.message]

    def buyer(self) -> Buyer:
        address = Address()
        if self.asks_address:
            fields = (self.country, self.line1, self.line2, self.city, self.state, self.postal_code)
            written = {field.name: (field.data or "").strip() or None for field in fields}
            if self.country.data not in addresses.NEEDS_STATE:
                # The page hides the field then, and what was typed before belongs to another country.
                written["state"] = None
            address = Address(**written)
        return Buyer(
            email=(self.email.data or "").strip(),
            name=(self.name.data or "").strip(),
            address=address,
            shipping_rate=self.shipping_option.data if self.shipping_options else None,
        )

    def means(self) -> Means:
        """Of a validated form. The number is looked up here, and goes no further."""
        if self.method.data != "card":
            return Means(app=self.method.data if self.method.data in APPS else "")
        if not self.is_typed_card:
            return Means(cards.recognised(self.test_card.data))
        month, year = self._expiry() or (12, 2034)
        return Means(cards.recognised(digits(self.number.data)), month, year, is_typed=True)

    def _expiry(self) -> tuple[int, int] | None:
        match = re.fullmatch(r"\s*(\d{1,2})\s*[/\-. ]?\s*(\d{2}|20\d{2})\s*", self.exp.data or "", re.ASCII)
        if match is None or not 1 <= int(match[1]) <= 12:
            return None
        year = int(match[2])
        return int(match[1]), year if year > 99 else 2000 + year

    @staticmethod
    def _need(field: Any, message: str) -> None:
        text = (field.data or "").strip()
        if not text:
            raise ValidationError(message)
        if len(text) > 200:
            raise ValidationError("This is too long: 200 characters at most.")
