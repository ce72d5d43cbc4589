"""Options and the variants they span. Rows outlive changes: a SKU keeps its stock, its ledger and its orders.

A variant whose combination is taken away becomes retired (inactive, without choices) if anything ever happened to it, and is
deleted if nothing did. When its combination returns, so does it.
"""

from collections.abc import Sequence
from itertools import product as combinations
from math import prod

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from shop.catalog.models import OptionValue, Product, ProductOption, StockMovement, Variant, VariantChoice
from shop.catalog.saving import hold, keep_on_sale, line, saved, unique
from shop.catalog.variants import RETIRED, choice_key, free_sku, live_variants, write_choices
from shop.errors import InvalidChange

MAX_OPTIONS = 3
MAX_VARIANTS = 100


def set_options(
    session: Session, product_id: int, options: Sequence[tuple[str, Sequence[str]]], version: int | None = None
) -> tuple[Variant, ...]:
    """Make the product come in exactly these options, e.g. [("Size", ["S", "M"])], and return its variants in order.

    Every combination has one variant afterwards. Existing ones keep their row; with a new option they take its first value.
    A new one starts with its siblings' price and weight, or inactive when there is no price to start with. Without options
    the product has one variant. Raises InvalidChange("options", ...), StaleEdit if the product is no longer at `version`, NotFound.
    """
    product = hold(session, product_id, version)
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
                sku=free_sku(session, product.slug, [value.value for value in combo]),
                price_minor=pattern.price_minor if pattern else 0,
                weight_grams=pattern.weight_grams if pattern else 0,
                active=pattern is not None,
            )
        variant.title, variant.choice_key, variant.position = title, choice_key(ids), position
        with unique(session, "options", "Somebody else is changing these variants. Try again."):
            session.add(variant)
        write_choices(session, variant.id, chosen.get(variant.id, {}), combo)


def _combination(chosen: dict[int, int], columns: list[list[OptionValue]]) -> tuple[int, ...] | None:
    """The combination that a variant with these choices stands for now; None when one of its choices is gone."""
    combo: list[int] = []
    for column in columns:
        value_id = chosen.get(column[0].option_id, column[0].id)
        if value_id not in {value.id for value in column}:
            return None
        combo.append(value_id)
    return tuple(combo)


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
