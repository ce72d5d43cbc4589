"""The back office's forms. They check what a form can know; the rules are asked afterwards, by the verbs.

`shop.web.csrf` checks the token of every request here, so the forms carry none of their own: several of them stand on one
page, and each would bring a field of the same id.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from werkzeug.datastructures import FileStorage
from wtforms import (
    BooleanField,
    Field,
    Form,
    IntegerField,
    MultipleFileField,
    SelectField,
    StringField,
    TextAreaField,
    ValidationError,
)
from wtforms.fields.choices import SelectChoice
from wtforms.validators import InputRequired, Length, NumberRange, Optional, StopValidation
from wtforms.widgets import DateTimeLocalInput, TextInput

from shop.catalog.editing import VariantFields
from shop.catalog.matrix import MAX_OPTIONS
from shop.catalog.models import Product, Variant
from shop.catalog.variants import MAX_WEIGHT
from shop.errors import InvalidChange
from shop.money import decimal_text, parse_amount

MOST_PIECES = 1_000_000


def one_line(form: Form, field: Field) -> None:
    """Refuse control characters, which no database column or label printer wants."""
    if any(ord(character) < 32 or ord(character) == 127 for character in field.data or ""):
        raise ValidationError("Use plain text on one line.")


class WholeNumber(IntegerField):  # type: ignore[misc]
    """A whole number, with a sentence of ours for everything else. A text field, which keeps what was typed."""

    widget = TextInput()

    def process_formdata(self, valuelist: Sequence[str]) -> None:
        if not valuelist:
            return
        text = valuelist[0].strip().replace("\u2212", "-")
        if not text:
            self.data = None
            return
        if not re.fullmatch(r"[+-]?[0-9]{1,11}", text):
            self.data = None
            raise ValueError("Write a whole number.")
        self.data = int(text)

    def pre_validate(self, form: Form) -> None:
        if self.process_errors:
            raise StopValidation()  # what is no number is not out of range as well


class Chosen(SelectField):  # type: ignore[misc]
    """One of a list, with a sentence of ours for what is not on it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        sentence = "Choose one of the list."
        super().__init__(*args, invalid_value_message=sentence, invalid_choice_message=sentence, **kwargs)


class UtcMoment(Field):  # type: ignore[misc]
    """A moment in UTC, as a browser's date and time field or a person writes it; None when empty."""

    widget = DateTimeLocalInput()
    forms = ("%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d")

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return self.data.strftime("%Y-%m-%dT%H:%M") if self.data else ""

    def process_formdata(self, valuelist: Sequence[str]) -> None:
        self.data = None
        text = valuelist[0].strip() if valuelist else ""
        if not text:
            return
        for form in self.forms:
            try:
                moment = datetime.strptime(text, form).replace(tzinfo=UTC)
            except ValueError:
                continue
            if 2000 <= moment.year <= 2200:
                self.data = moment
                return
        raise ValueError("Write a date and time such as 2026-05-01 09:30.")


class PriceForm(Form):  # type: ignore[misc]
    """Base of forms with a `price` in the product's currency; `price_minor` holds it once the form is valid."""

    price = StringField("Price", validators=[InputRequired("Write a price."), Length(max=20)])

    def __init__(self, *args: Any, currency: str, **kwargs: Any) -> None:
        self.currency = currency
        self.price_minor = 0
        super().__init__(*args, **kwargs)

    def validate_price(self, field: Field) -> None:
        try:
            self.price_minor = parse_amount(field.data or "", self.currency)
        except ValueError as wrong:
            raise ValidationError(str(wrong)) from None


class OnePriceForm(PriceForm):
    """One price for every variant of a product."""


class NewProductForm(PriceForm):
    """What a product needs to begin with."""

    title = StringField("Title", validators=[InputRequired("Write a title.")])
    slug = StringField("Address", description="Left empty, it is made of the title.")
    sku = StringField("SKU", description="Left empty, it is made of the address.")


class ProductForm(Form):  # type: ignore[misc]
    """A product's texts and times."""

    title = StringField("Title")
    slug = StringField(
        "Address", description="Lower-case letters, digits and hyphens. Links to an old address lead on to the new one."
    )
    tagline = StringField("Tagline", description="One sentence under the title.")
    description = TextAreaField("Description", description="Markdown: **bold**, *italic*, lists, links.")
    publish_at = UtcMoment("On sale from", description="UTC. Empty: as soon as it is published.")
    unpublish_at = UtcMoment("On sale until", description="UTC. Empty: without end.")
    successor = StringField(
        "Successor",
        description="Address of the product that is offered once this one is sold out or gone. Empty: readers may ask to be told.",
    )


class VariantForm(PriceForm):
    """One row of the table of variants."""

    sku = StringField("SKU")
    weight = WholeNumber(
        "Weight in grams",
        validators=[
            InputRequired("Write the weight in grams."),
            NumberRange(0, MAX_WEIGHT, "Between 0 and 1,000,000."),
        ],
    )
    active = BooleanField("On sale")

    def __init__(self, sent: Any, variant: Variant, currency: str) -> None:
        self.variant = variant
        super().__init__(
            sent,
            prefix=f"variant-{variant.id}",
            currency=currency,
            data={
                "sku": variant.sku,
                "price": decimal_text(variant.price_minor, currency),
                "weight": variant.weight_grams,
                "active": variant.active,
            },
        )

    def fields(self) -> VariantFields:
        """The row as the verb takes it; the form is valid."""
        return VariantFields(
            self.variant.id, self.sku.data or "", self.price_minor, self.weight.data or 0, bool(self.active.data)
        )


class OptionRow(Form):  # type: ignore[misc]
    """An option's name, and its choices separated by commas."""

    name = StringField("Option")
    values = StringField("Choices, separated by commas")


class ImageForm(Form):  # type: ignore[misc]
    """What one picture says and shows."""

    # Of several lines to write in, for it is a sentence or two; the rule makes one line of it.
    alt = TextAreaField("What the picture shows")
    value = Chosen("Belongs to", coerce=int, choices=[], default=0)

    def __init__(self, *args: Any, choices: Sequence[tuple[int, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.value.choices = [SelectChoice(*pair) for pair in [(0, "All variants"), *choices]]


class UploadForm(ImageForm):
    """Pictures to add; what is said of them is said of each."""

    files = MultipleFileField("Pictures")

    def chosen(self) -> list[FileStorage]:
        """The files that were really picked: a browser sends an empty part when none was."""
        return [file for file in self.files.data or [] if getattr(file, "filename", "")]


class StockForm(Form):  # type: ignore[misc]
    """A change of the count in the store room, and why."""

    pieces = WholeNumber(
        "Pieces in or out",
        description="10 for ten more, -2 for two fewer.",
        validators=[
            InputRequired("Write by how many pieces the stock changes, such as 10 or -2."),
            NumberRange(-MOST_PIECES, MOST_PIECES, "At most a million pieces at once."),
        ],
    )
    kind = Chosen(
        "What happened",
        choices=[SelectChoice("receive", "Delivery received"), SelectChoice("adjust", "Correction of the count")],
    )
    reason = StringField(
        "Reason",
        description="For whoever reads the ledger next year.",
        validators=[InputRequired("Say why, so that the ledger can be understood later."), Length(max=200), one_line],
    )


class ShipForm(Form):  # type: ignore[misc]
    """A parcel that has left."""

    carrier = StringField("Carrier", validators=[Length(max=80), one_line])
    tracking_number = StringField(
        "Tracking number", validators=[InputRequired("Write the parcel's tracking number."), Length(max=80), one_line]
    )
    tracking_url = StringField(
        "Tracking page",
        description="Optional. Goes to the buyer; begins with https://.",
        validators=[Optional(), Length(max=500), one_line],
    )


class DealForm(Form):  # type: ignore[misc]
    """What came of looking at an order that asked for it."""

    note = StringField(
        "What came of it",
        description="It stays in the order's timeline.",
        validators=[
            InputRequired("Say what came of it, so that it can be understood later."),
            Length(max=300),
            one_line,
        ],
    )


def option_rows(sent: Any, product: Product) -> list[OptionRow]:
    """The rows of the options' form: the product's options, then empty ones up to the most it may have."""
    known = [(option.name, ", ".join(value.value for value in option.values)) for option in product.options]
    known += [("", "")] * (MAX_OPTIONS - len(known))
    return [
        OptionRow(sent, prefix=f"option-{place}", data={"name": name, "values": values})
        for place, (name, values) in enumerate(known)
    ]


def options_meant(rows: Sequence[OptionRow]) -> list[tuple[str, list[str]]]:
    """The options that the rows describe. A row left empty is no option; one half filled is refused by the rule."""
    meant: list[tuple[str, list[str]]] = []
    for row in rows:
        name = (row.name.data or "").strip()
        values = [value.strip() for value in (row.values.data or "").split(",") if value.strip()]
        if name or values:
            meant.append((name, values))
    return meant


def put(form: Form, refused: InvalidChange, names: Mapping[str, str] | None = None) -> None:
    """Put a rule's refusal beside the form's field that it names; `names` maps the rule's names to the form's."""
    name = (names or {}).get(refused.field, refused.field)
    field = form[name] if name in form else next(iter(form))
    field.errors = [*field.errors, str(refused)]
