"""The form of the frame: which variant, how many, to which country."""

from dataclasses import dataclass

from flask_wtf import FlaskForm
from wtforms import RadioField, StringField
from wtforms.validators import AnyOf, InputRequired, Optional, ValidationError

from shop.catalog.showcase import ProductView, VariantView
from shop.errors import BadQuantity, CannotShipThere
from shop.web.embed.frames import Countries, field_of


class Pick(RadioField):
    """One choice of an option. An invented value is as good as none: the message is the same."""

    def __init__(self, label: str, **rest: object) -> None:
        article = "an" if label[:1].lower() in "aeiou" else "a"
        self.sentence = f"Choose {article} {label.lower()}."
        super().__init__(label, validators=[InputRequired(self.sentence)], **rest)

    def pre_validate(self, form: object) -> None:
        if self.data not in {value for value, *_ in self.choices}:
            raise ValidationError(self.sentence)


class Quantity(StringField):
    """A whole number of pieces. Python would read "1_0" and other alphabets' digits as numbers; a reader means neither."""

    def __init__(self, limit: int, **rest: object) -> None:
        self.limit = limit
        super().__init__("Quantity", **rest)

    def pre_validate(self, form: object) -> None:
        if self.pieces is None:
            raise ValidationError(str(BadQuantity(self.limit)))

    @property
    def pieces(self) -> int | None:
        text = (self.data or "").strip()
        if not (text.isascii() and text.isdecimal() and len(text) < 7):
            return None
        return int(text) if 1 <= int(text) <= self.limit else None


class Choices(FlaskForm):
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
        kept = {"chosen": self.chosen, "quantity": self.quantity, "errors": self.errors}
        return kept | ({"country": self.country} if self.country else {})


def read(product: ProductView, countries: Countries, limit: int) -> Filled:
    """The request's form, held against the product's options, the countries served and the most that one line holds."""
    fields: dict[str, object] = {
        field_of(option): Pick(option.name, choices=[(str(value.id), value.value) for value in option.values])
        for option in product.options
    }
    if countries:
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
    if variant is None and not errors:
        errors["form"] = "This combination does not exist. Choose another one."
    country = str(form["country"].data or "") if countries else ""
    pieces = form["quantity"].pieces
    wish = Wish(variant, pieces, country or None) if variant is not None and pieces and not errors else None
    known = country if country in dict(countries) else ""
    return Filled(wish, errors, chosen, str(form["quantity"].data or "")[:8], known)
