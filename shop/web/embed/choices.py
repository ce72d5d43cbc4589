"""The form of the frame: which variant, how many, to which country."""

from dataclasses import replace

from flask import request
from flask_wtf import FlaskForm

from shop.catalog.showcase import ProductView
from shop.web.offer import Countries
from shop.web.wish import Filled, Wish, price_changed, read_wish


class Choices(FlaskForm):  # type: ignore[misc]
    """Base of each product's form. No CSRF token: there is no ambient authority here that another site could use."""

    class Meta:
        csrf = False


def read(product: ProductView, served: Countries) -> tuple[Wish | None, Filled]:
    """The request's form as `read_wish` has it; a price that has changed is an error of the form."""
    wish, filled = read_wish(product, served, form_of_door=Choices, unmatched="form")
    stale = price_changed(product, wish, request.form.get("shown_prices", "")) if wish else ""
    return (None, replace(filled, errors={"form": stale})) if stale else (wish, filled)


def as_sent(filled: Filled) -> dict[str, object]:
    """What a template of the frame needs to show the form again as it was filled in."""
    kept: dict[str, object] = {"chosen": filled.chosen, "quantity": filled.quantity, "errors": filled.errors}
    return kept | ({"country": filled.country} if filled.country else {})
