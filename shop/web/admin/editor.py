"""The product editor's page: one product, and the state of each of the forms that stand on it.

A view sets the form that was sent, with its messages; the rest shows what is saved.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from flask import render_template, request
from sqlalchemy.orm import Session
from wtforms import BooleanField, Field, Form, SelectField

from shop.catalog.backroom import is_retired, option_values, portrait, product_for_editing, slug_of
from shop.catalog.models import Product
from shop.catalog.window import shown_as
from shop.db import now
from shop.staff import audit
from shop.web.admin.forms import (
    ImageForm,
    OnePriceForm,
    OptionRow,
    ProductForm,
    UploadForm,
    VariantForm,
    option_rows,
)
from shop.web.admin.gate import actor
from shop.web.house import reading

NO_VERSION = 2_147_483_647


@contextmanager
def watched(session: Session, action: str, product: Product) -> Iterator[None]:
    """Write into the audit trail what the block changes of a product."""
    with audit.watched(session, actor(), action, f"product {product.slug}", lambda: portrait(session, product.id)):
        yield


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one field: the id of the element to go to, the field's name, and the message."""

    at: str
    label: str
    message: str


class Editor:
    """The editor of one product; raises NotFound when there is none. Five statements, and none for the page.

    `version` is the state of the product that the page showed to whoever sent a form, so that it is told when somebody else
    came first. A form without one counts as overtaken.
    """

    def __init__(self, product_id: int) -> None:
        self.product = product_for_editing(reading(), product_id)
        sent = request.form.get("version", "")
        known = sent.isascii() and sent.isdecimal() and len(sent) < 10
        self.version = self.product.version if request.method == "GET" else int(sent) if known else NO_VERSION
        self.details: ProductForm | None = None
        self.options: list[OptionRow] | None = None
        self.variants: list[VariantForm] | None = None
        self.price: OnePriceForm | None = None
        self.upload: UploadForm | None = None
        self.image_forms: dict[int, ImageForm] = {}
        self.status_error = ""
        self.options_error = ""
        self.stale = ""
        self.saved_now: list[tuple[str, str]] = []

    @property
    def choices(self) -> list[tuple[int, str]]:
        """The product's option values, for saying which of them a picture shows."""
        return option_values(self.product)

    @property
    def shown(self) -> str:
        """What readers see of the product now."""
        return shown_as(self.product, now())

    @property
    def problems(self) -> list[Problem]:
        """What is wrong, in the page's order, with the fields at fault."""
        found = [Problem("status", "Status", self.status_error)] if self.status_error else []
        found += _problems(self.details)
        found += _problems(self.price, " of all variants")
        for row in self.variants or []:
            found += _problems(row, f" of {row.variant.title}" if row.variant.title else "")
        found += [Problem("options", "Options", self.options_error)] if self.options_error else []
        for place, image in enumerate(self.product.images, start=1):
            found += _problems(self.image_forms.get(image.id), f", picture {place}")
        return found + _problems(self.upload)

    def page(self) -> str:
        """The page as it stands."""
        product = self.product
        variants = self.variants or self.rows(None)
        return render_template(
            "admin/product.html",
            product=product,
            details=self.details or self.saved_details(),
            options=self.options or option_rows(None, product),
            variants=[form for form in variants if not is_retired(form.variant)],
            price=self.price or self.one_price(None),
            retired=[form.variant for form in variants if is_retired(form.variant)],
            upload=self.upload or UploadForm(prefix="upload", choices=self.choices),
            images=[(image, self.image_forms.get(image.id) or self.image_form(image.id)) for image in product.images],
            editor=self,
        )

    def rows(self, sent: Any) -> list[VariantForm]:
        """A form for each variant. One that the sent page did not have (a size added meanwhile) shows what is saved."""
        return [
            VariantForm(sent if sent and f"variant-{variant.id}-sku" in sent else None, variant, self.product.currency)
            for variant in self.product.variants
        ]

    def saved_details(self) -> ProductForm:
        """The form of texts and times as it is saved."""
        return ProductForm(obj=self.product, successor=slug_of(reading(), self.product.successor_id))

    def one_price(self, sent: Any) -> OnePriceForm:
        """The form that gives every variant one price."""
        return OnePriceForm(sent, prefix="all", currency=self.product.currency)

    def image_form(self, image_id: int, sent: Any = None) -> ImageForm:
        """The form of one of the product's pictures."""
        image = next(image for image in self.product.images if image.id == image_id)
        return ImageForm(
            sent,
            prefix=f"image-{image_id}",
            choices=self.choices,
            data={"alt": image.alt, "value": image.value_id or 0},
        )

    def overtaken(self, message: str) -> tuple[str, int]:
        """The page for whoever saved second: what they typed, beside what the other one saved. Saving again overwrites."""
        self.product = product_for_editing(reading(), self.product.id)
        self.version = self.product.version
        self.stale = message
        if self.details:
            self._compare([self.details], [self.saved_details()])
        if self.options:
            self._compare(self.options, option_rows(None, self.product))
        if self.variants:
            self.variants = self.rows(request.form)
            for row, saved in zip(self.variants, self.rows(None), strict=True):
                self._compare([row], [saved], f" of {row.variant.title}" if row.variant.title else "")
        for image_id, form in self.image_forms.items():
            if any(image.id == image_id for image in self.product.images):
                self._compare([form], [self.image_form(image_id)])
        return self.page(), 409

    def _compare(self, typed: Sequence[Form], saved: Sequence[Form], whose: str = "") -> None:
        for theirs, ours in zip(typed, saved, strict=True):
            self.saved_now += [
                (f"{field.label.text}{whose}", _words(ours[field.short_name]) or "empty")
                for field in theirs
                if _words(field) != _words(ours[field.short_name])
            ]


def _problems(form: Form | None, whose: str = "") -> list[Problem]:
    if form is None:
        return []
    return [Problem(field.id, f"{field.label.text}{whose}", " ".join(field.errors)) for field in form if field.errors]


def _words(field: Field) -> str:
    """What a field holds, as a person would say it."""
    if isinstance(field, BooleanField):
        return "yes" if field.data else "no"
    if isinstance(field, SelectField):
        return next((str(choice.label) for choice in field.iter_choices() if choice.selected), "")
    return str(field._value()).replace("\r\n", "\n").strip()
