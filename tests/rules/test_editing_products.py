"""Changing products: what is refused, what readers see of it, and who is told that they came second."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from shop.catalog import editing
from shop.catalog.models import CatalogueClock, Product, ProductImage
from shop.catalog.pictures import StoredPicture
from shop.catalog.showcase import Showcase
from shop.db import Database
from shop.errors import InvalidChange, NotFound, StaleEdit
from tests.builders import a_product, variants_of

PICTURE = StoredPicture("a" * 32, 1600, 1200)


def fields(**changes: object) -> editing.ProductFields:
    values: dict[str, object] = {"slug": "tee", "title": "Tee", "currency": "sgd"}
    return editing.ProductFields(**(values | changes))  # type: ignore[arg-type]


def test_a_new_product_is_a_draft_that_no_reader_sees_until_it_is_published(session: Session) -> None:
    product = editing.create_product(session, fields(description="Soft **cotton**."))
    editing.add_variant(session, product.id, price_minor=3900)
    showcase = Showcase()
    assert showcase.product(session, "tee") is None

    editing.publish(session, product.id)

    seen = showcase.product(session, "tee")
    assert seen is not None
    assert seen.description_html == "<p>Soft <strong>cotton</strong>.</p>\n"
    assert [(variant.sku, variant.price_minor) for variant in seen.variants] == [("TEE", 3900)]


def test_an_edit_is_seen_by_a_reader_who_looked_before(session: Session) -> None:
    product = a_product(session, "tee")
    showcase = Showcase()
    showcase.product(session, "tee")

    editing.edit_product(session, product.id, product.version, fields(title="Better tee"))

    seen = showcase.product(session, "tee")
    assert seen is not None
    assert seen.title == "Better tee"


@pytest.mark.parametrize("verb", ["archive", "to_draft"])
def test_a_product_taken_down_is_gone_for_readers(session: Session, verb: str) -> None:
    product = a_product(session, "tee")
    getattr(editing, verb)(session, product.id)
    assert Showcase().product(session, "tee") is None


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"slug": ""}, "slug"),
        ({"slug": "Tee"}, "slug"),
        ({"slug": "tee shirt"}, "slug"),
        ({"slug": "-tee"}, "slug"),
        ({"slug": "a--b"}, "slug"),
        ({"slug": "../admin"}, "slug"),
        ({"slug": "t" * 81}, "slug"),
        ({"title": "  "}, "title"),
        ({"title": "t" * 141}, "title"),
        ({"title": "two\nlines"}, "title"),
        ({"title": "nul\x00"}, "title"),
        ({"tagline": "t" * 201}, "tagline"),
        ({"description": "d" * 20_001}, "description"),
        ({"description": "nul\x00"}, "description"),
        (
            {"publish_at": datetime(2026, 5, 2, tzinfo=UTC), "unpublish_at": datetime(2026, 5, 1, tzinfo=UTC)},
            "unpublish_at",
        ),
    ],
)
def test_a_bad_value_is_refused_with_the_name_of_its_field(
    session: Session, change: dict[str, object], field: str
) -> None:
    with pytest.raises(InvalidChange) as refused:
        editing.create_product(session, fields(**change))
    assert refused.value.field == field
    assert session.scalar(select(func.count()).select_from(Product)) == 0


def test_two_products_cannot_have_one_address(session: Session) -> None:
    a_product(session, "tee")
    other = a_product(session, "mug")
    for attempt in (
        lambda: editing.create_product(session, fields()),
        lambda: editing.edit_product(session, other.id, other.version, fields()),
    ):
        with pytest.raises(InvalidChange) as refused:
            attempt()
        assert refused.value.field == "slug"
    assert other.slug == "mug"


def _finds_nothing(*args: object, **kwargs: object) -> None:
    """What a look finds when the other one commits right after it."""


def test_an_address_taken_between_looking_and_writing_is_refused_as_well(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_product(session, "tee")
    monkeypatch.setattr(session, "scalar", _finds_nothing)
    with pytest.raises(InvalidChange) as refused:
        editing.create_product(session, fields())
    assert refused.value.field == "slug"
    monkeypatch.undo()
    assert session.scalar(select(func.count()).select_from(Product)) == 1, "the transaction can still be used"


def test_the_second_of_two_editors_is_told(database: Database) -> None:
    with database.transaction() as session:
        product = a_product(session, "tee")
        opened = product.version
    with database.transaction() as session:
        editing.edit_product(session, product.id, opened, fields(title="First"))
    with pytest.raises(StaleEdit), database.transaction() as session:
        editing.edit_product(session, product.id, opened, fields(title="Second"))
    with database.reading() as session:
        assert session.get_one(Product, product.id).title == "First"


def test_the_currency_stays(session: Session) -> None:
    product = a_product(session, "tee")
    with pytest.raises(InvalidChange) as refused:
        editing.edit_product(session, product.id, product.version, fields(currency="jpy"))
    assert refused.value.field == "currency"


def test_a_product_with_nothing_to_buy_is_not_published(session: Session) -> None:
    product = editing.create_product(session, fields())
    with pytest.raises(InvalidChange):
        editing.publish(session, product.id)
    assert product.status == "draft"


def test_a_published_product_keeps_something_to_buy(session: Session) -> None:
    product = a_product(session, "tee")
    [variant] = variants_of(session, product)
    with pytest.raises(InvalidChange) as refused:
        editing.edit_variant(session, variant.id, variant.sku, 3900, 100, active=False)
    assert refused.value.field == "active"


def test_a_picture_needs_its_words_before_publishing(session: Session) -> None:
    product = a_product(session, "tee", status="draft")
    image = editing.add_image(session, product.id, PICTURE, "")
    with pytest.raises(InvalidChange):
        editing.publish(session, product.id)

    editing.change_image(session, image.id, "A white shirt")
    editing.publish(session, product.id)

    with pytest.raises(InvalidChange) as refused:
        editing.change_image(session, image.id, "")
    assert refused.value.field == "alt"


def test_pictures_move_and_go(session: Session) -> None:
    product = a_product(session, "tee")
    ids = [
        editing.add_image(session, product.id, StoredPicture(letter * 32, 800, 800), f"Picture {letter}").id
        for letter in "abc"
    ]
    editing.move_image(session, ids[2], -1)
    editing.move_image(session, ids[0], -5)
    editing.remove_image(session, ids[1])
    session.expire_all()
    shown = session.scalars(select(ProductImage).order_by(ProductImage.position)).all()
    assert [image.alt for image in shown] == ["Picture a", "Picture c"]
    with pytest.raises(NotFound):
        editing.remove_image(session, ids[1])


def test_a_picture_shows_only_a_choice_of_its_own_product(session: Session) -> None:
    shirt = a_product(session, options={"Colour": ["Black"]})
    mug = a_product(session)
    black = variants_of(session, shirt)[0].choice_key
    with pytest.raises(InvalidChange) as refused:
        editing.add_image(session, mug.id, PICTURE, "A mug", value_id=int(black))
    assert refused.value.field == "value"
    assert editing.add_image(session, shirt.id, PICTURE, "A shirt", value_id=int(black)).value_id == int(black)


def test_every_verb_moves_the_catalogues_clock(session: Session) -> None:
    product = a_product(session, "tee")
    [variant] = variants_of(session, product)
    image = editing.add_image(session, product.id, PICTURE, "A shirt")
    verbs = [
        lambda: editing.edit_product(session, product.id, product.version, fields()),
        lambda: editing.edit_variant(session, variant.id, "NEW", 1, 1, active=True),
        lambda: editing.set_options(session, product.id, [("Size", ["S"])]),
        lambda: editing.change_image(session, image.id, "Shirt"),
        lambda: editing.move_image(session, image.id, 1),
        lambda: editing.remove_image(session, image.id),
        lambda: editing.to_draft(session, product.id),
        lambda: editing.publish(session, product.id),
        lambda: editing.archive(session, product.id),
    ]
    for verb in verbs:
        before = session.scalar(select(CatalogueClock.version))
        version = product.version
        verb()
        assert session.scalar(select(CatalogueClock.version)) > before  # type: ignore[operator]
        assert product.version > version


def test_a_title_makes_an_address() -> None:
    assert editing.slug_from("  Trump\u2013Kim Summit: T-Shirt, \u00e9t\u00e9! ") == "trump-kim-summit-t-shirt-ete"
    assert editing.slug_from("\u65b0\u805e") == ""
