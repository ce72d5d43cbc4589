"""The forms of the shop's pages. Each holds what was typed against what the shop can do; the verbs decide the rest."""

from dataclasses import dataclass

from flask_wtf import FlaskForm
from wtforms import HiddenField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import AnyOf, Optional

from shop.catalog.showcase import ProductView, VariantView
from shop.errors import CannotShipThere
from shop.web.offer import Countries, Pick, Quantity, field_of
from shop.web.storefront.product import Filled


@dataclass(frozen=True, slots=True)
class Wish:
    """What a reader wants: so many of a variant, sent to a country (ISO code; None if the shop names none)."""

    variant: VariantView
    quantity: int
    country: str | None


def _country_field(countries: Countries) -> StringField:
    return StringField("Ship to", [Optional(), AnyOf([code for code, _ in countries], str(CannotShipThere("")))])


def read_choices(product: ProductView, countries: Countries, limit: int) -> tuple[Wish | None, Filled]:
    """The request's form of a product: the wish if it is complete (else None), and the form as it was sent."""
    fields: dict[str, object] = {
        field_of(option): Pick(
            option.name, choices=[SelectChoice(str(value.id), value.value) for value in option.values]
        )
        for option in product.options
    }
    fields["country"] = _country_field(countries)
    fields["quantity"] = Quantity(limit, default="1")
    form = type("Choices", (FlaskForm,), fields)()
    errors = {} if form.validate() else {name: str(said[0]) for name, said in form.errors.items()}
    chosen = {
        option.id: value.id
        for option in product.options
        for value in option.values
        if form[field_of(option)].data == str(value.id)
    }
    variant = product.variant_of(frozenset(chosen.values())) if len(chosen) == len(product.options) else None
    if variant is None and not errors:
        errors[choice_field(product)] = "This combination does not exist. Choose another one."
    typed = str(form["country"].data or "")
    country = typed if typed in dict(countries) else ""
    filled = Filled(chosen, str(form["quantity"].data or "")[:12], country, errors)
    pieces = form["quantity"].pieces
    if errors or variant is None or pieces is None:
        return None, filled
    return Wish(variant, pieces, country or None), filled


def choice_field(product: ProductView) -> str:
    """The field beside which it is said that a combination cannot be had."""
    open_options = [option for option in product.options if len(option.values) > 1] or list(product.options)
    return field_of(open_options[0]) if open_options else "quantity"


def quantity_form(limit: int) -> FlaskForm:
    """The form of one line of the cart; `form["quantity"].pieces` is the number."""
    form: FlaskForm = type("LineQuantity", (FlaskForm,), {"quantity": Quantity(limit)})()
    return form


def country_form(countries: Countries) -> FlaskForm:
    """Where the cart goes, and which prices (`seen`) the page showed when it was sent."""
    fields = {"country": _country_field(countries), "seen": HiddenField()}
    form: FlaskForm = type("Destination", (FlaskForm,), fields)()
    return form
