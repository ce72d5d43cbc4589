"""The forms of the shop's pages. Each holds what was typed against what the shop can do; the verbs decide the rest."""

from flask_wtf import FlaskForm
from wtforms import HiddenField

from shop.catalog.showcase import ProductView
from shop.web.offer import Countries, Quantity, field_of
from shop.web.wish import country_field


def choice_field(product: ProductView) -> str:
    """The field beside which it is said that a combination cannot be had."""
    open_options = [option for option in product.options if len(option.values) > 1] or list(product.options)
    return field_of(open_options[0]) if open_options else "quantity"


def quantity_form(limit: int) -> FlaskForm:
    """The form of one line of the cart; `form["quantity"].pieces` is the number."""
    form: FlaskForm = type("LineQuantity", (FlaskForm,), {"quantity": Quantity(limit)})()
    return form


def country_form(served: Countries) -> FlaskForm:
    """Where the cart goes, and which prices (`seen`) the page showed when it was sent."""
    fields = {"country": country_field(served), "seen": HiddenField()}
    form: FlaskForm = type("Destination", (FlaskForm,), fields)()
    return form
