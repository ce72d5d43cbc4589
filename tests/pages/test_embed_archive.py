"""Under a story from years ago: what became of the product, and nobody is left with a hole, an error or a dead end."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from shop.catalog import editing, stock
from shop.catalog.models import OldSlug, Product
from shop.db import Database, now
from tests.builders import a_product, shipping_to, variants_of
from tests.support.reader import Page, Reader

LAYOUTS = ["card", "line", "shelf", "button"]


@pytest.fixture(autouse=True)
def served(database: Database) -> None:
    with database.transaction() as session:
        shipping_to(session, "SG")


def frame(client: FlaskClient, product: str = "tee", **asked: str) -> Page:
    page = Page(client.get("/embed/frame", query_string={"product": product, **asked}))
    assert page.status == 200
    return page


def main_of(page: Page) -> dict[str, str]:
    return page.all("main")[0]


def rename(session: Session, product: Product, slug: str) -> None:
    fields = editing.ProductFields(slug, product.title, product.currency, successor_id=product.successor_id)
    editing.edit_product(session, product.id, product.version, fields)


def with_successor(database: Database, **fields: object) -> None:
    with database.transaction() as session:
        heir = a_product(session, "new-tee", title="The new shirt")
        a_product(session, "tee", title="The old shirt", successor_id=heir.id, **fields)  # type: ignore[arg-type]


GONE = {
    "sold out": {"stock": 0},
    "archived": {"status": "archived"},
    "draft": {"status": "draft"},
    "over": {"unpublish_at": now() - timedelta(days=900)},
}


@pytest.mark.parametrize("gone", GONE)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_its_successor_stands_there(database: Database, client: FlaskClient, gone: str, layout: str) -> None:
    with_successor(database, **GONE[gone])
    page = frame(client, layout=layout)
    assert (main_of(page)["data-state"], main_of(page)["data-product"]) == ("offer", "new-tee")
    assert "The new shirt" in page.words
    if layout == "card":
        assert "In place of The old shirt" in page.words
        assert page.form("/embed/cart").fields["product"] == "new-tee"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_renamed_product_is_there_under_its_old_address(database: Database, client: FlaskClient, layout: str) -> None:
    with database.transaction() as session:
        product = a_product(session, "tee", title="Shirt")
        for slug in ("second", "third"):
            rename(session, product, slug)
    for slug in ("tee", "second", "third"):
        assert main_of(frame(client, slug, layout=layout))["data-product"] == "third"


@pytest.mark.parametrize(
    ("gone", "state", "words"), [("sold out", "soldout", "Sold out"), ("over", "over", "Not on sale any more")]
)
def test_what_may_come_back_asks_who_wants_to_be_told(
    database: Database, client: FlaskClient, gone: str, state: str, words: str
) -> None:
    with database.transaction() as session:
        a_product(session, "tee", **GONE[gone])  # type: ignore[arg-type]
    page = frame(client)
    assert main_of(page)["data-state"] == state
    assert words in page.words
    assert page.form("/embed/waitlist").fields["product"] == "tee"
    assert {at.get("target") for at in page.all("a")} == {"_top"}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("product", "reason"), [("archived", "not-on-sale"), ("draft", "not-on-sale"), ("deleted", "unknown-product")]
)
def test_what_does_not_come_back_folds_away(
    database: Database, client: FlaskClient, layout: str, product: str, reason: str
) -> None:
    with database.transaction() as session:
        a_product(session, "archived", status="archived")
        a_product(session, "draft", status="draft")
        session.add(OldSlug(slug="deleted", product_id=None))
    page = frame(client, product, layout=layout)
    assert (main_of(page)["data-state"], main_of(page)["data-reason"]) == ("absent", reason)


def test_an_address_of_a_deleted_product_that_was_left_to_another_leads_there(
    database: Database, client: FlaskClient
) -> None:
    with database.transaction() as session:
        heir = a_product(session, "new-tee")
        session.add(OldSlug(slug="deleted", product_id=heir.id))
    assert main_of(frame(client, "deleted"))["data-product"] == "new-tee"


def test_a_form_that_was_open_while_its_product_was_renamed_still_buys(database: Database, client: FlaskClient) -> None:
    with database.transaction() as session:
        product = a_product(session, "tee")
        product_id = product.id
    form = frame(client).form("/embed/cart").fields
    with database.transaction() as session:
        rename(session, session.get_one(Product, product_id), "other")
    assert main_of(Page(client.post("/embed/cart", data=form)))["data-state"] == "added"
    assert main_of(Page(client.post("/embed/frame", data=form)))["data-product"] == "other"


def test_a_form_for_something_that_has_gone_since_says_so_and_stays_in_sight(
    database: Database, client: FlaskClient
) -> None:
    with database.transaction() as session:
        a_product(session, "tee")
    form = frame(client).form("/embed/cart").fields
    with database.transaction() as session:
        session.execute(sa.update(Product).values(status="archived"))
        stock.touch_catalogue(session)
    for address in ("/embed/cart", "/embed/frame"):
        page = Page(client.post(address, data=form))
        # Not "absent", of which the loader would leave nothing under the reader's finger.
        assert (page.status, main_of(page)["data-state"]) == (404, "gone")
        assert "Nothing was added and nothing was charged." in page.words
        assert page.all("a", href="/", target="_top")
    top = Page(client.post("/embed/checkout", data=form))
    assert top.status == 404
    assert top.headers["Content-Security-Policy"].endswith("frame-ancestors 'none'")


# The shop's own pages


def test_an_old_address_leads_to_the_present_one_for_good_with_the_story(
    database: Database, client: FlaskClient
) -> None:
    with database.transaction() as session:
        rename(session, a_product(session, "tee"), "other")
    answer = client.get("/products/tee?story=https%3A%2F%2Fnews.example%2Fa&title=Kim")
    assert answer.status_code == 301
    assert answer.headers["Location"] == "/products/other?story=https%3A%2F%2Fnews.example%2Fa&title=Kim"
    assert client.get("/products/other").status_code == 200


@pytest.mark.parametrize(("gone", "status"), [("over", 200), ("archived", 410)])
def test_the_page_of_what_is_not_sold_any_more_offers_what_came_after_it(
    database: Database, client: FlaskClient, gone: str, status: int
) -> None:
    with_successor(database, **GONE[gone])
    page = Page(client.get("/products/tee"))
    assert page.status == status
    assert "The old shirt" in page.words
    assert page.all("a", href="/products/new-tee")
    assert page.headers["X-Robots-Tag"] == "noindex"


def test_the_page_of_a_product_whose_time_is_over_asks_who_wants_to_be_told(
    database: Database, client: FlaskClient
) -> None:
    with database.transaction() as session:
        a_product(session, "tee", unpublish_at=now() - timedelta(days=1))
    page = Page(client.get("/products/tee"))
    assert page.status == 200
    assert page.form("/products/tee/waitlist")


def test_what_is_archived_without_a_successor_is_gone_and_a_draft_was_never_there(
    database: Database, client: FlaskClient
) -> None:
    with database.transaction() as session:
        a_product(session, "tee", status="archived")
        a_product(session, "mug", title="A secret", status="draft")
        a_product(session, "cap", title="A secret", publish_at=now() + timedelta(days=1))
    assert client.get("/products/tee").status_code == 410
    for slug in ("mug", "cap", "nothing", "a%00b", "x" * 3000):
        page = Page(client.get(f"/products/{slug}"))
        assert page.status == 404, slug
        assert "A secret" not in page.words


def test_a_draft_that_something_came_after_leads_there_for_now(database: Database, client: FlaskClient) -> None:
    with_successor(database, status="draft")
    answer = client.get("/products/tee")
    assert (answer.status_code, answer.headers["Location"]) == (302, "/products/new-tee")


def test_the_page_of_what_is_sold_out_names_what_came_after_it(database: Database, client: FlaskClient) -> None:
    with_successor(database, stock=0)
    page = Page(client.get("/products/tee"))
    assert page.status == 200
    assert [at for at in page.all("a") if at.get("href", "").startswith("/products/new-tee")]
    assert page.form("/products/tee/waitlist")
    with database.transaction() as session:
        heir = session.scalars(sa.select(Product).where(Product.slug == "new-tee")).one()
        stock.adjust(session, variants_of(session, heir)[0].id, -3, "counted", "tests")
    assert "The new shirt" not in Page(client.get("/products/tee")).words


def test_the_shops_form_that_was_open_while_its_product_was_renamed_still_adds(
    database: Database, client: FlaskClient
) -> None:
    with database.transaction() as session:
        product_id = a_product(session, "tee").id
    reader = Reader(client)
    page = reader.get("/products/tee")
    with database.transaction() as session:
        rename(session, session.get_one(Product, product_id), "other")
    assert reader.send(page, "/cart/lines", then="cart").status == 303
