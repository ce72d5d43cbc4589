"""Options and the variants they span. Rows outlive changes: a SKU keeps its stock, its ledger and its orders.

A variant whose combination is taken away becomes retired (inactive, without choices) if anything ever happened to it, and is
deleted if nothing did. When its combination returns, so does it.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product as combinations
from math import prod

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from shop.catalog.models import OptionValue, Product, ProductOption, StockMovement, Variant, VariantChoice
from shop.catalog.saving import hold, keep_on_sale, line, saved, unique
from shop.errors import InvalidChange, NotFound

MAX_OPTIONS = 3
MAX_VARIANTS = 100
MAX_PRICE = 99_999_999  # the most that Stripe takes as one amount
MAX_WEIGHT = 1_000_000
RETIRED = "retired-"
SKU_TAKEN = "Another variant has this SKU already."
SKU_FORM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")


@dataclass(frozen=True, slots=True)
class VariantFields:
    """What staff write about a variant: price in minor units, weight in grams packed."""

    id: int
    sku: str
    price_minor: int
    weight_grams: int
    active: bool


def set_options(session: Session, product_id: int, options: Sequence[tuple[str, Sequence[str]]]) -> tuple[Variant, ...]:
    """Make the product come in exactly these options, e.g. [("Size", ["S", "M"])], and return its variants in order.

    Every combination has one variant afterwards. Existing ones keep their row; with a new option they take its first value.
    A new one starts with its siblings' price and weight, or inactive when there is no price to start with. Without options
    the product has one variant. Raises InvalidChange("options", ...), NotFound.
    """
    product = hold(session, product_id)
    wanted = _checked(options)
    choices, removed = _write_values(session, product.id, wanted)
    _span(session, product, choices)
    if removed:
        session.execute(delete(OptionValue).where(OptionValue.id.in_(removed)))
    kept_options = {column[0].option_id for column in choices}
    session.execute(
        delete(ProductOption).where(ProductOption.product_id == product.id, ProductOption.id.not_in(kept_options))
    )
    keep_on_sale(session, product, "options")
    saved(session, product)
    return live_variants(session, product.id)


def live_variants(session: Session, product_id: int) -> tuple[Variant, ...]:
    """The product's variants in order, without the retired ones."""
    return tuple(
        session.scalars(
            select(Variant)
            .where(Variant.product_id == product_id, Variant.choice_key.not_like(f"{RETIRED}%"))
            .order_by(Variant.position, Variant.id)
        )
    )


def _checked(options: Sequence[tuple[str, Sequence[str]]]) -> list[tuple[str, list[str]]]:
    checked: list[tuple[str, list[str]]] = []
    if len(options) > MAX_OPTIONS:
        raise InvalidChange("options", f"A product has at most {MAX_OPTIONS} options.")
    for name, values in options:
        option = line("options", name, 40, "the option's name, such as Size")
        cleaned = [line("options", value, 40, "every choice, such as M") for value in values]
        if not cleaned:
            raise InvalidChange("options", f"Write the choices of {option}, such as S, M, L.")
        if len({value.casefold() for value in cleaned}) < len(cleaned):
            raise InvalidChange("options", f"{option} names a choice twice.")
        if option.casefold() in {other.casefold() for other, _ in checked}:
            raise InvalidChange("options", f"There are two options named {option}.")
        checked.append((option, cleaned))
    total = prod(len(values) for _, values in checked)
    if total > MAX_VARIANTS:
        raise InvalidChange("options", f"This makes {total} variants; a product has at most {MAX_VARIANTS}.")
    return checked


def _write_values(
    session: Session, product_id: int, wanted: list[tuple[str, list[str]]]
) -> tuple[list[list[OptionValue]], list[int]]:
    """The rows of the wanted choices, in order, made where missing; and the ids of the choices that must go afterwards."""
    rows = session.scalars(
        select(ProductOption).where(ProductOption.product_id == product_id).order_by(ProductOption.position)
    ).all()
    values: dict[int, list[OptionValue]] = {row.id: [] for row in rows}
    for value in session.scalars(select(OptionValue).where(OptionValue.option_id.in_(values))):
        values[value.option_id].append(value)
    by_name = {row.name.casefold(): row for row in rows}
    free = [row for row in rows if row.name.casefold() not in {name.casefold() for name, _ in wanted}]
    columns: list[list[OptionValue]] = []
    for position, (name, texts) in enumerate(wanted):
        option = by_name.get(name.casefold()) or _renamed(free, values, texts)
        if option is None:
            option = ProductOption(product_id=product_id)
            session.add(option)
        option.name, option.position = name, position
        session.flush()
        known = {value.value.casefold(): value for value in values.get(option.id, [])}
        column: list[OptionValue] = []
        for place, text in enumerate(texts):
            value = known.get(text.casefold()) or OptionValue(option_id=option.id)
            value.value, value.position = text, place
            session.add(value)
            column.append(value)
        session.flush()
        columns.append(column)
    kept = {value.id for column in columns for value in column}
    return columns, [value.id for group in values.values() for value in group if value.id not in kept]


def _renamed(free: list[ProductOption], values: dict[int, list[OptionValue]], texts: list[str]) -> ProductOption | None:
    """An option that lost its name but shares a choice with the new one is the same option under a new name."""
    wanted = {text.casefold() for text in texts}
    for option in free:
        if wanted & {value.value.casefold() for value in values[option.id]}:
            free.remove(option)
            return option
    return None


def _span(session: Session, product: Product, columns: list[list[OptionValue]]) -> None:
    """Give every combination of `columns` its variant; retire or delete the variants that are left over."""
    rows = session.scalars(
        select(Variant).where(Variant.product_id == product.id).order_by(Variant.active.desc(), Variant.position)
    ).all()
    chosen: dict[int, dict[int, int]] = {row.id: {} for row in rows}
    for variant_id, option_id, value_id in session.execute(
        select(VariantChoice.variant_id, VariantChoice.option_id, VariantChoice.value_id).where(
            VariantChoice.variant_id.in_(chosen)
        )
    ):
        chosen[variant_id][option_id] = value_id
    combos = [tuple(combo) for combo in combinations(*columns)]
    live = [row for row in rows if not row.choice_key.startswith(RETIRED)]
    taken: dict[tuple[int, ...], Variant] = {}
    left_over: list[Variant] = []
    for row in live:
        key = _combination(chosen[row.id], columns)
        if key is None or key in taken:
            left_over.append(row)
        else:
            taken[key] = row
    retired = {row.title: row for row in rows if row.choice_key.startswith(RETIRED)}
    pattern = live[0] if live else None
    for row in live:  # free every key first: a unique constraint is checked row by row
        row.choice_key = f"moving-{row.id}"
    session.flush()
    _let_go(session, left_over)
    for position, combo in enumerate(combos):
        ids = tuple(value.id for value in combo)
        title = " / ".join(value.value for value in combo)
        variant = taken.get(ids)
        if variant is None and title in retired:
            variant = retired[title]
            variant.active = True
        if variant is None:
            variant = Variant(
                product_id=product.id,
                sku=_free_sku(session, product.slug, [value.value for value in combo]),
                price_minor=pattern.price_minor if pattern else 0,
                weight_grams=pattern.weight_grams if pattern else 0,
                active=pattern is not None,
            )
        variant.title, variant.choice_key, variant.position = title, choice_key(ids), position
        with unique(session, "options", "Somebody else is changing these variants. Try again."):
            session.add(variant)
        _write_choices(session, variant.id, chosen.get(variant.id, {}), combo)


def choice_key(value_ids: Sequence[int]) -> str:
    """The text by which one combination of option values exists once in a product."""
    return "-".join(str(value_id) for value_id in sorted(value_ids))


def _combination(chosen: dict[int, int], columns: list[list[OptionValue]]) -> tuple[int, ...] | None:
    """The combination that a variant with these choices stands for now; None when one of its choices is gone."""
    combo: list[int] = []
    for column in columns:
        value_id = chosen.get(column[0].option_id, column[0].id)
        if value_id not in {value.id for value in column}:
            return None
        combo.append(value_id)
    return tuple(combo)


def _write_choices(session: Session, variant_id: int, before: dict[int, int], combo: tuple[OptionValue, ...]) -> None:
    after = {value.option_id: value.id for value in combo}
    if before == after:
        return
    session.execute(delete(VariantChoice).where(VariantChoice.variant_id == variant_id))
    session.add_all(VariantChoice(variant_id=variant_id, option_id=o, value_id=v) for o, v in after.items())
    session.flush()


def _let_go(session: Session, variants: Sequence[Variant]) -> None:
    for variant in variants:
        moved = session.scalar(
            select(func.count()).select_from(StockMovement).where(StockMovement.variant_id == variant.id)
        )
        if not moved and not variant.on_hand and not variant.reserved and _deleted(session, variant):
            continue
        variant.active = False
        variant.choice_key = f"{RETIRED}{variant.id}"
        session.execute(delete(VariantChoice).where(VariantChoice.variant_id == variant.id))
    session.flush()


def _deleted(session: Session, variant: Variant) -> bool:
    try:
        with session.begin_nested():
            session.execute(delete(Variant).where(Variant.id == variant.id))
    except IntegrityError:  # an order names it
        return False
    return True


def _free_sku(session: Session, slug: str, values: Sequence[str]) -> str:
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
    sku = sku.strip() or _free_sku(session, product.slug, [value.value for value in combo])
    _write_fields(session, variant, sku, price_minor, weight_grams, active)
    _write_choices(session, variant.id, {}, tuple(combo))
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
        raise InvalidChange("active", "Its combination is no longer among the options; add it there first.")
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
                raise InvalidChange("active", "Its combination is no longer among the options; add it there first.")
            _write_fields(session, variant, row.sku, row.price_minor, row.weight_grams, row.active)
        except InvalidChange as refused:
            raise InvalidChange(f"{row.id}.{refused.field}", str(refused)) from None
    if rows:
        keep_on_sale(session, product, f"{rows[0].id}.active")
    saved(session, product)


def _write_fields(
    session: Session, variant: Variant, sku: str, price_minor: int, weight_grams: int, active: bool
) -> None:
    sku = line("sku", sku, 64, "a SKU")
    if not SKU_FORM.fullmatch(sku):
        raise InvalidChange("sku", "Use letters, digits, hyphens, dots and slashes, such as TEE-BLACK-M.")
    if not 0 <= price_minor <= MAX_PRICE:
        raise InvalidChange("price", "A price is not below zero, and not more than Stripe can charge at once.")
    if not 0 <= weight_grams <= MAX_WEIGHT:
        raise InvalidChange("weight", f"Write whole grams between 0 and {MAX_WEIGHT}.")
    with session.no_autoflush:
        if session.scalar(select(Variant.id).where(Variant.sku == sku, Variant.id != (variant.id or 0))):
            raise InvalidChange("sku", SKU_TAKEN)
    with unique(session, "sku", SKU_TAKEN):
        variant.sku, variant.price_minor, variant.weight_grams, variant.active = sku, price_minor, weight_grams, active
        session.add(variant)
