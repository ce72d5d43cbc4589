"""Options and variants: adding a size keeps what is there, taking one away keeps its history."""

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from shop.catalog import editing, stock
from shop.catalog.models import OptionValue, StockMovement, Variant, VariantChoice
from shop.catalog.showcase import Showcase
from shop.errors import InvalidChange, NotFound, StaleEdit
from tests.builders import a_product, variants_of


def by_title(session: Session, product_id: int) -> dict[str, Variant]:
    return {variant.title: variant for variant in editing.live_variants(session, product_id)}


def test_options_span_every_combination_in_order(session: Session) -> None:
    product = a_product(session, "tee", price=3900, stock=0)
    made = editing.set_options(session, product.id, [("Colour", ["Black", "White"]), ("Size", ["S", "M"])])
    assert [variant.title for variant in made] == ["Black / S", "Black / M", "White / S", "White / M"]
    assert {variant.price_minor for variant in made} == {3900}
    assert len({variant.sku for variant in made}) == 4
    seen = Showcase().product(session, "tee")
    assert seen is not None
    assert [[value.value for value in option.values] for option in seen.options] == [["Black", "White"], ["S", "M"]]
    for variant in seen.variants:
        assert seen.variant_of(frozenset(variant.choice_ids)) == variant


def test_the_first_option_keeps_the_only_variants_sku_and_stock(session: Session) -> None:
    product = a_product(session, stock=7)
    [only] = variants_of(session, product)
    made = editing.set_options(session, product.id, [("Size", ["S", "M"])])
    assert (made[0].id, made[0].sku, made[0].on_hand) == (only.id, only.sku, 7)
    assert (made[1].on_hand, made[1].active) == (0, True)


def test_a_new_size_leaves_the_others_alone(session: Session) -> None:
    product = a_product(session, options={"Size": ["S", "M"]}, stock=5)
    before = {variant.title: (variant.id, variant.sku, variant.on_hand) for variant in variants_of(session, product)}
    editing.set_options(session, product.id, [("Size", ["XS", "S", "M"])])
    after = by_title(session, product.id)
    assert list(after) == ["XS", "S", "M"]
    assert {t: (after[t].id, after[t].sku, after[t].on_hand) for t in before} == before


def test_a_second_option_gives_existing_variants_its_first_choice(session: Session) -> None:
    product = a_product(session, options={"Size": ["S", "M"]}, stock=5)
    small = by_title(session, product.id)["S"].id
    editing.set_options(session, product.id, [("Colour", ["Black", "White"]), ("Size", ["S", "M"])])
    after = by_title(session, product.id)
    assert after["Black / S"].id == small
    assert after["White / S"].on_hand == 0


def test_a_size_with_history_is_retired_and_one_without_is_deleted(session: Session) -> None:
    product = a_product(session, options={"Size": ["S", "M"]}, stock=0)
    variants = by_title(session, product.id)
    small, medium = variants["S"].id, variants["M"].id
    stock.adjust(session, medium, 4, "delivery", "tests", kind="receive")
    editing.set_options(session, product.id, [("Size", ["L"])])
    session.expire_all()
    assert session.get(Variant, small) is None
    retired = session.get_one(Variant, medium)
    assert (retired.active, retired.on_hand, retired.title) == (False, 4, "M")
    assert list(by_title(session, product.id)) == ["L"]
    assert session.scalar(select(func.count()).select_from(OptionValue)) == 1


def test_a_size_that_returns_has_its_sku_stock_and_ledger_again(session: Session) -> None:
    product = a_product(session, options={"Size": ["S", "M"]}, stock=4)
    medium = by_title(session, product.id)["M"]
    editing.set_options(session, product.id, [("Size", ["S"])])
    assert "M" not in by_title(session, product.id)
    editing.set_options(session, product.id, [("Size", ["S", "M"])])
    back = by_title(session, product.id)["M"]
    assert (back.id, back.sku, back.on_hand, back.active) == (medium.id, medium.sku, 4, True)
    chosen = session.scalar(select(func.count()).select_from(VariantChoice).where(VariantChoice.variant_id == back.id))
    assert chosen == 1


def test_an_option_taken_away_keeps_one_variant_of_each_remaining_choice(session: Session) -> None:
    product = a_product(session, options={"Size": ["S", "M"], "Colour": ["Black", "White"]}, stock=2)
    editing.set_options(session, product.id, [("Size", ["S", "M"])])
    live = by_title(session, product.id)
    assert list(live) == ["S", "M"]
    everything = session.scalars(select(Variant).where(Variant.product_id == product.id)).all()
    assert sorted(variant.active for variant in everything) == [False, False, True, True]
    assert sum(variant.on_hand for variant in everything) == 8
    assert session.scalar(select(func.sum(StockMovement.pieces))) == 8


def test_a_renamed_option_is_the_same_option(session: Session) -> None:
    product = a_product(session, options={"Size": ["S", "M"]}, stock=2)
    ids = [variant.id for variant in variants_of(session, product)]
    made = editing.set_options(session, product.id, [("Fit", ["S", "M"])])
    assert [variant.id for variant in made] == ids


def test_no_options_leave_one_variant(session: Session) -> None:
    product = a_product(session, options={"Size": ["S", "M"]}, stock=2)
    [only] = editing.set_options(session, product.id, [])
    assert (only.title, only.active) == ("", True)


def test_variants_without_a_price_to_start_with_wait_inactive(session: Session) -> None:
    product = editing.create_product(session, editing.ProductFields("tee", "Tee", "sgd"))
    made = editing.set_options(session, product.id, [("Size", ["S", "M"])])
    assert [variant.active for variant in made] == [False, False]


@pytest.mark.parametrize(
    "options",
    [
        [("", ["S"])],
        [("Size", [])],
        [("Size", ["S", "s"])],
        [("Size", ["S", " "])],
        [("Size", ["S"]), ("size", ["M"])],
        [("Size", ["x" * 41])],
        [("A", ["1"]), ("B", ["1"]), ("C", ["1"]), ("D", ["1"])],
        [("A", [str(n) for n in range(11)]), ("B", [str(n) for n in range(10)])],
    ],
)
def test_options_that_make_no_sense_are_refused_and_nothing_changes(
    session: Session, options: list[tuple[str, list[str]]]
) -> None:
    product = a_product(session, options={"Size": ["S", "M"]})
    with pytest.raises(InvalidChange) as refused:
        editing.set_options(session, product.id, options)
    assert refused.value.field == "options"
    assert list(by_title(session, product.id)) == ["S", "M"]


def test_a_sku_in_use_is_refused(session: Session) -> None:
    product = a_product(session, options={"Size": ["S", "M"]})
    small, medium = variants_of(session, product)
    with pytest.raises(InvalidChange) as refused:
        editing.edit_variant(session, small.id, medium.sku, 3900, 0, active=True)
    assert refused.value.field == "sku"
    assert small.sku != medium.sku


def test_a_sku_taken_between_looking_and_writing_is_refused_as_well(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    product = a_product(session, options={"Size": ["S", "M"]})
    small, medium = variants_of(session, product)
    looked = session.scalar

    def blind(statement: object, *args: object, **kwargs: object) -> object:
        return None if "variants.sku =" in str(statement) else looked(statement, *args, **kwargs)  # type: ignore[call-overload]

    monkeypatch.setattr(session, "scalar", blind)
    with pytest.raises(InvalidChange) as refused:
        editing.edit_variant(session, small.id, medium.sku, 3900, 0, active=True)
    assert refused.value.field == "sku"


@pytest.mark.parametrize(
    ("sku", "price", "weight", "field"),
    [
        ("", 1, 1, "sku"),
        ("white space", 1, 1, "sku"),
        ("S" * 65, 1, 1, "sku"),
        ("OK", -1, 1, "price"),
        ("OK", 100_000_000, 1, "price"),
        ("OK", 1, -1, "weight"),
        ("OK", 1, 1_000_001, "weight"),
    ],
)
def test_a_bad_variant_is_refused_with_its_field(
    session: Session, sku: str, price: int, weight: int, field: str
) -> None:
    [variant] = variants_of(session, a_product(session))
    with pytest.raises(InvalidChange) as refused:
        editing.edit_variant(session, variant.id, sku, price, weight, active=True)
    assert refused.value.field == field


def test_many_variants_are_changed_at_once_or_not_at_all(session: Session) -> None:
    product = a_product(session, options={"Size": ["S", "M"]})
    small, medium = variants_of(session, product)
    rows = [
        editing.VariantFields(medium.id, "M-1", 4200, 210, active=True),
        editing.VariantFields(small.id, "S-1", 4100, 200, active=False),
    ]
    editing.edit_variants(session, product.id, product.version, rows)
    assert (small.sku, small.price_minor, small.active) == ("S-1", 4100, False)
    assert (medium.sku, medium.price_minor, medium.weight_grams) == ("M-1", 4200, 210)

    with pytest.raises(InvalidChange) as refused:
        editing.edit_variants(
            session, product.id, product.version, [editing.VariantFields(medium.id, "S-1", 1, 1, active=True)]
        )
    assert refused.value.field == f"{medium.id}.sku"


def test_the_second_of_two_editors_of_prices_is_told(session: Session) -> None:
    product = a_product(session)
    opened = product.version
    editing.to_draft(session, product.id)
    with pytest.raises(StaleEdit):
        editing.edit_variants(session, product.id, opened, [])


def test_a_variant_of_another_product_is_not_changed_along(session: Session) -> None:
    product = a_product(session)
    [other] = variants_of(session, a_product(session))
    with pytest.raises(NotFound):
        editing.edit_variants(
            session, product.id, product.version, [editing.VariantFields(other.id, "X", 1, 1, active=True)]
        )


def test_a_retired_variant_does_not_come_back_by_a_tick(session: Session) -> None:
    product = a_product(session, options={"Size": ["S", "M"]})
    medium = variants_of(session, product)[1]
    editing.set_options(session, product.id, [("Size", ["S"])])
    with pytest.raises(InvalidChange) as refused:
        editing.edit_variant(session, medium.id, medium.sku, 1, 1, active=True)
    assert refused.value.field == "active"


def test_a_variant_is_added_for_a_combination_once(session: Session) -> None:
    product = editing.create_product(session, editing.ProductFields("tee", "Tee", "sgd"))
    made = editing.add_variant(session, product.id, price_minor=500)
    assert (made.sku, made.price_minor, made.active) == ("TEE", 500, True)
    with pytest.raises(InvalidChange):
        editing.add_variant(session, product.id, price_minor=500)
    with pytest.raises(InvalidChange):
        editing.add_variant(session, product.id, price_minor=500, values=["XL"])
