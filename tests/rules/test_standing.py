"""What stands in the place of a product that was printed under a story years ago."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from shop.catalog import editing
from shop.catalog.models import OldSlug, Product
from shop.catalog.showcase import Showcase
from shop.catalog.standing import Standing, standing
from shop.catalog.stock import touch_catalogue
from shop.db import now
from shop.errors import InvalidChange
from tests.builders import a_product


def fields(product: Product, **changes: object) -> editing.ProductFields:
    names = ("slug", "title", "currency", "publish_at", "unpublish_at", "successor_id")
    return editing.ProductFields(**({name: getattr(product, name) for name in names} | changes))


def edit(session: Session, product: Product, **changes: object) -> None:
    editing.edit_product(session, product.id, product.version, fields(product, **changes))


def asked(session: Session, slug: str) -> Standing:
    return standing(session, Showcase(), slug)


def shown(session: Session, slug: str) -> tuple[str, str]:
    found = asked(session, slug)
    return found.state, found.product.slug if found.product else ""


def followed_by(session: Session, product: Product, successor: Product) -> None:
    edit(session, product, successor_id=successor.id)


def test_a_product_that_can_be_bought_stands_for_itself(session: Session) -> None:
    a_product(session, "tee")
    assert shown(session, "tee") == ("offer", "tee")
    assert shown(session, "never-heard-of") == ("unknown", "")


def test_a_renamed_product_is_found_under_every_address_it_had(session: Session) -> None:
    product = a_product(session, "tee")
    for slug in ("summit-tee", "kim-tee"):
        edit(session, product, slug=slug)
    for slug in ("tee", "summit-tee", "kim-tee"):
        assert shown(session, slug) == ("offer", "kim-tee")


def test_a_product_may_have_its_old_address_back(session: Session) -> None:
    product = a_product(session, "tee")
    edit(session, product, slug="other")
    edit(session, product, slug="tee")
    assert shown(session, "tee") == shown(session, "other") == ("offer", "tee")
    assert session.scalars(sa.select(OldSlug.slug)).all() == ["other"]


def test_an_address_that_was_given_up_may_be_taken_by_another_product(session: Session) -> None:
    product = a_product(session, "tee")
    edit(session, product, slug="other")
    editing.create_product(session, editing.ProductFields("tee", "Another", "sgd"))
    assert session.scalar(sa.select(sa.func.count()).select_from(OldSlug)) == 0
    assert shown(session, "other") == ("offer", "other")
    assert shown(session, "tee") == ("unknown", ""), "a draft without variants"


def test_an_address_that_is_refused_is_not_given_up(session: Session) -> None:
    product = a_product(session, "tee")
    a_product(session, "mug")
    with pytest.raises(InvalidChange):
        edit(session, product, slug="mug")
    assert session.scalar(sa.select(sa.func.count()).select_from(OldSlug)) == 0


GONE = [
    {"stock": 0},
    {"status": "archived"},
    {"status": "draft"},
    {"unpublish_at": now() - timedelta(days=1)},
]


@pytest.mark.parametrize("gone", GONE, ids=["sold out", "archived", "draft", "over"])
def test_a_successor_stands_in_and_says_for_what(session: Session, gone: dict[str, object]) -> None:
    product = a_product(session, "tee", title="The first shirt", **gone)  # type: ignore[arg-type]
    followed_by(session, product, a_product(session, "new-tee"))
    found = asked(session, "tee")
    assert (found.state, found.asked) == ("offer", "The first shirt")
    assert found.product is not None
    assert found.product.slug == "new-tee"


def test_as_long_as_it_can_be_bought_a_product_is_not_replaced(session: Session) -> None:
    product = a_product(session, "tee", stock=1)
    followed_by(session, product, a_product(session, "new-tee"))
    assert shown(session, "tee") == ("offer", "tee")


def test_a_successor_that_is_gone_as_well_leads_to_its_own(session: Session) -> None:
    last = a_product(session, "third")
    second = a_product(session, "second", stock=0, successor_id=last.id)
    a_product(session, "first", stock=0, successor_id=second.id)
    assert shown(session, "first") == ("offer", "third")


@pytest.mark.parametrize(
    ("gone", "state"),
    [
        *zip(GONE, ["sold-out", "archived", "not-on-sale", "over"], strict=True),
        ({"publish_at": now() + timedelta(1)}, "not-on-sale"),
    ],
    ids=["sold out", "archived", "draft", "over", "not begun"],
)
def test_without_a_successor_it_is_said_how_the_product_stands(
    session: Session, gone: dict[str, object], state: str
) -> None:
    a_product(session, "tee", **gone)  # type: ignore[arg-type]
    assert shown(session, "tee") == (state, "tee")


def test_a_successor_that_is_not_there_yet_leaves_the_product_as_it_stands_until_then(session: Session) -> None:
    begins = now() + timedelta(hours=2)
    product = a_product(session, "tee", stock=0)
    followed_by(session, product, a_product(session, "new-tee", publish_at=begins))
    found = asked(session, "tee")
    assert found.state == "sold-out"
    assert found.until == begins
    assert standing(session, Showcase(), "tee", begins).product.slug == "new-tee"  # type: ignore[union-attr]


def test_of_a_deleted_product_its_old_addresses_lead_nowhere_and_those_given_to_its_successor_there(
    session: Session,
) -> None:
    product, heir = a_product(session, "tee"), a_product(session, "new-tee")
    edit(session, product, slug="other")
    session.add(OldSlug(slug="long-gone", product_id=heir.id))
    session.flush()
    session.execute(sa.text("DELETE FROM stock_movements"))
    session.execute(sa.delete(Product).where(Product.id == product.id))
    touch_catalogue(session)
    assert shown(session, "tee") == ("unknown", "")
    assert shown(session, "long-gone") == ("offer", "new-tee")


def test_no_product_comes_after_itself(session: Session) -> None:
    first, second, third = (a_product(session, slug) for slug in ("first", "second", "third"))
    followed_by(session, first, second)
    followed_by(session, second, third)
    for product, successor in ((first, first), (third, first), (second, first)):
        with pytest.raises(InvalidChange) as refused:
            followed_by(session, product, successor)
        assert refused.value.field == "successor_id"
    with pytest.raises(InvalidChange):
        edit(session, third, successor_id=999_999)


def test_a_circle_that_came_about_all_the_same_ends(session: Session) -> None:
    first, second = a_product(session, "first", stock=0), a_product(session, "second", stock=0)
    session.execute(sa.update(Product).where(Product.id == first.id).values(successor_id=second.id))
    session.execute(sa.update(Product).where(Product.id == second.id).values(successor_id=first.id))
    touch_catalogue(session)
    session.expire_all()
    assert shown(session, "first") == ("sold-out", "first")
