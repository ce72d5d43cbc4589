"""The product editor's page: one product, and the state of each of the forms that stand on it.

A view sets the form that was sent, with its messages; the rest shows what is saved.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from flask import render_template
from sqlalchemy.orm import Session
from wtforms import Field

from shop.catalog.backroom import is_retired, option_values, portrait, product_for_editing, shown_as
from shop.catalog.models import Product
from shop.staff import audit
from shop.web.admin.forms import ImageForm, OptionRow, ProductForm, UploadForm, VariantForm, option_rows
from shop.web.admin.gate import actor
from shop.web.house import reading


@contextmanager
def watched(session: Session, action: str, product: Product) -> Iterator[None]:
    """Write into the audit trail what the block changes of a product."""
    with audit.watched(session, actor(), action, f"product {product.slug}", lambda: portrait(session, product.id)):
        yield


def _plain(field: Field) -> str:
    return str(field._value()).replace("\r\n", "\n").strip()


class Editor:
    """The editor of one product; raises NotFound when there is none. Five statements, and none for the page."""

    def __init__(self, product_id: int) -> None:
        self.product = product_for_editing(reading(), product_id)
        self.details: ProductForm | None = None
        self.options: list[OptionRow] | None = None
        self.variants: list[VariantForm] | None = None
        self.upload: UploadForm | None = None
        self.image_forms: dict[int, ImageForm] = {}
        self.status_error = ""
        self.options_error = ""
        self.variants_error = ""
        self.stale = ""
        self.saved_now: list[tuple[str, str]] = []

    @property
    def choices(self) -> list[tuple[int, str]]:
        """The product's option values, for saying which of them a picture shows."""
        return option_values(self.product)

    @property
    def shown(self) -> str:
        """What readers see of the product now."""
        return shown_as(self.product.status, self.product.publish_at, self.product.unpublish_at)

    def page(self) -> str:
        """The page as it stands."""
        product = self.product
        variants = self.variants
        if variants is None:
            variants = [VariantForm(None, variant, product.currency) for variant in product.variants]
        return render_template(
            "admin/product.html",
            product=product,
            details=self.details or ProductForm(obj=product),
            options=self.options or option_rows(None, product),
            variants=[form for form in variants if not is_retired(form.variant)],
            retired=[form.variant for form in variants if is_retired(form.variant)],
            upload=self.upload or UploadForm(prefix="upload", choices=self.choices),
            images=[(image, self.image_forms.get(image.id) or self.image_form(image.id)) for image in product.images],
            editor=self,
        )

    def image_form(self, image_id: int, sent: object = None) -> ImageForm:
        """The form of one of the product's pictures."""
        image = next(image for image in self.product.images if image.id == image_id)
        return ImageForm(
            sent,
            prefix=f"image-{image_id}",
            choices=self.choices,
            data={"alt": image.alt, "value": image.value_id or 0},
        )

    def overtaken(self, message: str) -> str:
        """The page for whoever saved second: what they typed, beside what the other one saved. Saving again overwrites."""
        self.product = product_for_editing(reading(), self.product.id)
        saved = ProductForm(obj=self.product)
        assert self.details is not None
        for field in self.details:
            if field.name != "version" and _plain(field) != _plain(saved[field.name]):
                self.saved_now.append((field.label.text, saved[field.name]._value() or "empty"))
        self.details.version.raw_data = None
        self.details.version.data = self.product.version
        self.stale = message
        return self.page()
