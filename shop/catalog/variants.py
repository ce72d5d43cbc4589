"""Variants: adding one, changing what staff write about them, and their names. Verbs take a session and never commit.

Which combinations of options there are is decided in `matrix`.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from shop.catalog.models import OptionValue, ProductOption, Variant, VariantChoice
from shop.catalog.saving import hold, keep_on_sale, line, saved, unique
from shop.errors import InvalidChange, NotFound

MAX_PRICE = 99_999_999  # the most that Stripe takes as one amount
MAX_WEIGHT = 1_000_000
RETIRED = "retired-"
SKU_TAKEN = "Another variant has this SKU already."
NOT_OFFERED = "Its combination is no longer among the options; add it there first."
SKU_FORM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")


@dataclass(frozen=True, slots=True)
class VariantFields:
    """What staff write about a variant: price in minor units, weight in grams packed."""

    id: int
    sku: str
    price_minor: int
    weight_grams: int
    active: bool


def add_variant(
    session: Session,
    product_id: int,
    *,
    price_minor: int,
    sku: str = "",
    weight_grams: int = 0,
    values: Sequence[str] = (),
    active: bool = True,
) -> Variant:
    """Add the variant of one combination (`values` in the options' order; none for a product without options).

    Without a `sku` one is made of the product's and the choices' names. Raises InvalidChange for a combination that exists
    already or is not one of the product's, for a SKU in use, and as `edit_variant` does; NotFound.
    """
    product = hold(session, product_id)
    rows = session.scalars(
        select(OptionValue)
        .join(ProductOption)
        .where(ProductOption.product_id == product_id)
        .order_by(ProductOption.position, OptionValue.position)
    ).all()
    columns: dict[int, list[OptionValue]] = {}
    for row in rows:
        columns.setdefault(row.option_id, []).append(row)
    if len(values) != len(columns):
        raise InvalidChange("values", "Choose one value for each option.")
    combo: list[OptionValue] = []
    for text, column in zip(values, columns.values(), strict=True):
        found = next((value for value in column if value.value == text), None)
        if found is None:
            raise InvalidChange("values", f"{text} is not one of the choices.")
        combo.append(found)
    count = session.scalar(select(func.count()).select_from(Variant).where(Variant.product_id == product_id)) or 0
    variant = Variant(
        product_id=product_id,
        title=" / ".join(value.value for value in combo),
        choice_key=choice_key([value.id for value in combo]),
        position=count,
    )
    if variant.choice_key in {row.choice_key for row in live_variants(session, product_id)}:
        raise InvalidChange("values", "This variant exists already.")
    sku = sku.strip() or free_sku(session, product.slug, [value.value for value in combo])
    _write_fields(session, variant, sku, price_minor, weight_grams, active)
    write_choices(session, variant.id, {}, tuple(combo))
    saved(session, product)
    return variant


def edit_variant(
    session: Session, variant_id: int, sku: str, price_minor: int, weight_grams: int, active: bool
) -> Variant:
    """Change a variant: SKU, price in minor units of the product's currency, weight in grams, and whether it is on sale.

    Raises InvalidChange("sku" | "price" | "weight" | "active", ...), NotFound.
    """
    product_id = session.scalar(select(Variant.product_id).where(Variant.id == variant_id))
    if product_id is None:
        raise NotFound("variant")
    product = hold(session, product_id)
    variant = session.get_one(Variant, variant_id, populate_existing=True)
    if active and variant.choice_key.startswith(RETIRED):
        raise InvalidChange("active", NOT_OFFERED)
    _write_fields(session, variant, sku, price_minor, weight_grams, active)
    keep_on_sale(session, product, "active")
    saved(session, product)
    return variant


def edit_variants(session: Session, product_id: int, version: int, rows: Sequence[VariantFields]) -> None:
    """Change several variants of one product at once, in the lock order of `shop.catalog.stock`.

    Raises StaleEdit, NotFound for a variant of another product, and InvalidChange with the field "<variant id>.<field>".
    """
    product = hold(session, product_id, version)
    mine = {
        variant.id: variant
        for variant in session.scalars(
            select(Variant).where(Variant.product_id == product_id).order_by(Variant.id).with_for_update()
        )
    }
    for row in sorted(rows, key=lambda row: row.id):
        variant = mine.get(row.id)
        if variant is None:
            raise NotFound("variant")
        try:
            if row.active and variant.choice_key.startswith(RETIRED):
                raise InvalidChange("active", NOT_OFFERED)
            _write_fields(session, variant, row.sku, row.price_minor, row.weight_grams, row.active)
        except InvalidChange as refused:
            raise InvalidChange(f"{row.id}.{refused.field}", str(refused)) from None
    if rows:
        keep_on_sale(session, product, f"{rows[0].id}.active")
    saved(session, product)


def set_prices(session: Session, product_id: int, version: int, price_minor: int) -> None:
    """Give every variant of a product that is still offered one price, in minor units of the product's currency.

    Raises StaleEdit, InvalidChange("price", ...), NotFound.
    """
    product = hold(session, product_id, version)
    _check_price(price_minor)
    for variant in live_variants(session, product_id):
        variant.price_minor = price_minor
    saved(session, product)


def live_variants(session: Session, product_id: int) -> tuple[Variant, ...]:
    """The product's variants in order, without the retired ones."""
    return tuple(
        session.scalars(
            select(Variant)
            .where(Variant.product_id == product_id, Variant.choice_key.not_like(f"{RETIRED}%"))
            .order_by(Variant.position, Variant.id)
        )
    )


def choice_key(value_ids: Sequence[int]) -> str:
    """The text by which one combination of option values exists once in a product."""
    return "-".join(str(value_id) for value_id in sorted(value_ids))


def _check_price(price_minor: int) -> None:
    if not 0 <= price_minor <= MAX_PRICE:
        raise InvalidChange("price", "A price is not below zero, and not more than Stripe can charge at once.")


def _write_fields(
    session: Session, variant: Variant, sku: str, price_minor: int, weight_grams: int, active: bool
) -> None:
    sku = line("sku", sku, 64, "a SKU")
    if not SKU_FORM.fullmatch(sku):
        raise InvalidChange("sku", "Use letters, digits, hyphens, dots and slashes, such as TEE-BLACK-M.")
    _check_price(price_minor)
    if not 0 <= weight_grams <= MAX_WEIGHT:
        raise InvalidChange("weight", f"Write whole grams between 0 and {MAX_WEIGHT}.")
    with session.no_autoflush:
        if session.scalar(select(Variant.id).where(Variant.sku == sku, Variant.id != (variant.id or 0))):
            raise InvalidChange("sku", SKU_TAKEN)
    with unique(session, "sku", SKU_TAKEN):
        variant.sku, variant.price_minor, variant.weight_grams, variant.active = sku, price_minor, weight_grams, active
        session.add(variant)


def write_choices(session: Session, variant_id: int, before: dict[int, int], combo: tuple[OptionValue, ...]) -> None:
    """Say which value a variant has for each option; `before` maps options to what they were."""
    after = {value.option_id: value.id for value in combo}
    if before == after:
        return
    session.execute(delete(VariantChoice).where(VariantChoice.variant_id == variant_id))
    session.add_all(VariantChoice(variant_id=variant_id, option_id=o, value_id=v) for o, v in after.items())
    session.flush()


def free_sku(session: Session, slug: str, values: Sequence[str]) -> str:
    """A SKU of the product's and the choices' names that nobody uses, such as TRUMP-KIM-TEE-BLACK-M."""
    base = "-".join(filter(None, (_code(text) for text in (slug, *values))))[:56].strip("-") or "SKU"
    taken = set(session.scalars(select(Variant.sku).where(Variant.sku.startswith(base, autoescape=True))))
    candidate, count = base, 1
    while candidate in taken:
        count += 1
        candidate = f"{base}-{count}"
    return candidate


def _code(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Z0-9]+", "-", plain.upper()).strip("-")
