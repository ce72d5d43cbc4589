"""The form of the frame: which variant, how many, to which country."""

from dataclasses import dataclass

from flask import request
from flask_wtf import FlaskForm
from wtforms import StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import AnyOf, Optional

from shop.catalog.showcase import ProductView, VariantView
from shop.errors import CannotShipThere
from shop.money import format_money
from shop.web.offer import Countries, Pick, Quantity, field_of


class Choices(FlaskForm):  # type: ignore[misc]
    """Base of each product's form. No CSRF token: there is no ambient authority here that another site could use."""

    class Meta:
        csrf = False


@dataclass(frozen=True, slots=True)
class Wish:
    """What the reader wants: so many of a variant, sent to a country (ISO code; None if the shop names none)."""

    variant: VariantView
    quantity: int
    country: str | None


@dataclass(frozen=True, slots=True)
class Filled:
    """A form as it was sent: the wish if it is complete, else what is wrong (field -> sentence), and what was chosen."""

    wish: Wish | None
    errors: dict[str, str]
    chosen: dict[int, int]
    quantity: str
    country: str

    def as_sent(self) -> dict[str, object]:
        """What a template needs to show the form again as it was filled in."""
        kept: dict[str, object] = {"chosen": self.chosen, "quantity": self.quantity, "errors": self.errors}
        return kept | ({"country": self.country} if self.country else {})


def read(product: ProductView, countries: Countries, limit: int, locale: str) -> Filled:
    """The request's form, held against the product's options and prices, the countries served and the most of a line."""
    fields: dict[str, object] = {
        field_of(option): Pick(
            option.name, choices=[SelectChoice(str(value.id), value.value) for value in option.values]
        )
        for option in product.options
    }
    served = [code for code, _ in countries]
    fields["country"] = StringField("Ship to", [Optional(), AnyOf(served, str(CannotShipThere("")))])
    fields["quantity"] = Quantity(limit, default="1")
    form = type("ChoicesOfProduct", (Choices,), fields)()
    errors = {} if form.validate() else {name: str(said[0]) for name, said in form.errors.items()}
    chosen = {
        option.id: value.id
        for option in product.options
        for value in option.values
        if form[field_of(option)].data == str(value.id)
    }
    variant = product.variant_of(frozenset(chosen.values())) if len(chosen) == len(product.options) else None
    if not errors:
        if variant is None:
            errors["form"] = "This combination does not exist. Choose another one."
        elif _shown_otherwise(variant):
            price = format_money(variant.price_minor, product.currency, locale)
            errors["form"] = f"The price has changed since you opened this page: it is now {price}."
    country = str(form["country"].data or "")
    known = country if country in served else ""
    pieces = form["quantity"].pieces
    wish = Wish(variant, pieces, known or None) if variant is not None and pieces and not errors else None
    return Filled(wish, errors, chosen, str(form["quantity"].data or "")[:8], known)


def _shown_otherwise(variant: VariantView) -> bool:
    """Whether the card that was sent showed this variant at another price than that of now."""
    shown = request.form.get("shown_prices", "")
    return bool(shown) and f",{variant.id}:{variant.price_minor}," not in f",{shown},"
