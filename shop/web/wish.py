"""What a form that offers a product says when it comes back: which variant, how many, to which country."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from flask import request
from flask_wtf import FlaskForm
from wtforms import StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import AnyOf, Optional

from shop.catalog.showcase import ProductView, VariantView
from shop.catalog.standing import present_slug
from shop.errors import CannotShipThere
from shop.money import format_money
from shop.web.house import house
from shop.web.languages import gettext, page_locale, told
from shop.web.offer import PRESS, SLUG, Countries, Pick, Quantity, field_of, new_press

# As much of a quantity as is shown again: what is longer is none.
LONGEST_QUANTITY = 12


@dataclass(frozen=True, slots=True)
class Wish:
    """What a reader wants: so many of a variant, sent to a country (ISO code; None if the shop names none)."""

    variant: VariantView
    quantity: int
    country: str | None


@dataclass(frozen=True, slots=True)
class Filled:
    """How a form stands: what is chosen (option id -> value id), what was typed, and what is wrong (field -> sentence).

    `alert` is what belongs beside no field.
    """

    chosen: Mapping[int, int]
    quantity: str = "1"
    country: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)
    alert: str = ""


def product_asked(slug: str | None) -> ProductView | None:
    """The product on sale under a slug from outside; None for what is none, or is not of a slug's form."""
    return house().product(slug) if slug and SLUG.fullmatch(slug) else None


def product_meant(slug: str | None) -> ProductView | None:
    """The product on sale that a form means, be it by an address that has changed since the form was opened."""
    product = product_asked(slug)
    if product is not None or not slug or not SLUG.fullmatch(slug):
        return product
    with house().database.engine.connect() as connection:
        present = present_slug(connection, slug)
    return product_asked(present) if present else None


def press_sent() -> str:
    """Which showing of the button was pressed; one of our own if the form does not say."""
    press = request.form.get("press", "")
    return press if PRESS.fullmatch(press) else new_press()


def country_field(countries: Countries) -> StringField:
    """The field of a country that is served, or of none."""
    return StringField("Ship to", [Optional(), AnyOf([code for code, _ in countries], told(CannotShipThere("")))])


def read_wish(
    product: ProductView, countries: Countries, *, form_of_door: type[FlaskForm], unmatched: str
) -> tuple[Wish | None, Filled]:
    """The request's form of a product: the wish if it is complete (else None), and the form as it was sent.

    A door brings its base of forms, and the field beside which it says that a combination does not exist (`unmatched`).
    """
    fields: dict[str, object] = {
        field_of(option): Pick(
            option.name, choices=[SelectChoice(str(value.id), value.value) for value in option.values]
        )
        for option in product.options
    }
    fields["country"] = country_field(countries)
    fields["quantity"] = Quantity(house().settings.shop_max_quantity, default="1")
    form = type("Choices", (form_of_door,), fields)()
    errors = {} if form.validate() else {name: str(said[0]) for name, said in form.errors.items()}
    chosen = {
        option.id: value.id
        for option in product.options
        for value in option.values
        if form[field_of(option)].data == str(value.id)
    }
    variant = product.variant_of(frozenset(chosen.values())) if len(chosen) == len(product.options) else None
    if variant is None and not errors:
        errors[unmatched] = gettext("This combination does not exist. Choose another one.")
    typed = str(form["country"].data or "")
    country = typed if typed in dict(countries) else ""
    filled = Filled(chosen, str(form["quantity"].data or "")[:LONGEST_QUANTITY], country, errors)
    pieces = form["quantity"].pieces
    if errors or variant is None or pieces is None:
        return None, filled
    return Wish(variant, pieces, country or None), filled


def price_changed(product: ProductView, wish: Wish, shown: str) -> str:
    """A sentence if the form that was sent `shown` (see `prices_shown`) another price for this variant than that of now."""
    variant = wish.variant
    if not shown or f",{variant.id}:{variant.price_minor}," in f",{shown},":
        return ""
    price = format_money(variant.price_minor, product.currency, page_locale())
    return gettext("The price has changed since you opened this page: it is now %(price)s.", price=price)
